/** The text side of the frontend over the conformance data: what must parse, and what must fail in which words. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { parseStages } from './instructions/parse.ts';
import { parseLintConfig } from './lint/config.ts';
import type { LintWarning } from './lint/contract.ts';
import { Linter } from './lint/linter.ts';
import * as rules from './lint/rules.ts';
import { parseDirective } from './parser/directives.ts';
import { DockerfileError } from './parser/error.ts';
import { parseDockerfile } from './parser/parser.ts';

interface Expected {
  error?: {
    message: string;
    messageAlternatives?: string[];
    locationError?: { Start: { Line: number } }[][];
  };
  lint?: { warnings?: { ruleName: string; detail: string; description: string; url?: string }[] };
}

const root = resolve(import.meta.dirname, '../../../test/conformance/llb');
const present = existsSync(root);

interface Case {
  name: string;
  dockerfile: Uint8Array;
  /** Lint options: from the build argument, else from the directive. */
  check: string;
  expected: Expected;
}

function cases(group: string): Case[] {
  const found: Case[] = [];
  for (const name of readdirSync(join(root, group))) {
    const read = <T>(file: string): T => JSON.parse(readFileSync(join(root, group, name, file), 'utf8')) as T;
    const spec = read<{ dockerfile?: string; attrs?: Record<string, string> }>('case.json');
    const file = join(root, group, name, spec.dockerfile ?? 'Dockerfile');
    if (!existsSync(file)) continue;
    const dockerfile = readFileSync(file);
    const directive = parseDirective('check', dockerfile)?.value ?? '';
    const check = spec.attrs?.['build-arg:BUILDKIT_DOCKERFILE_CHECK'] ?? directive;
    found.push({ name, dockerfile, check, expected: read<Expected>('expected.json') });
  }
  return found;
}

test('every Dockerfile that converts parses', { skip: !present }, () => {
  for (const { dockerfile } of [...cases('cases'), ...cases('lint')]) {
    parseStages(parseDockerfile(dockerfile).instructions);
  }
});

test('Dockerfiles that fail to parse do so in the words of BuildKit', { skip: !present }, () => {
  let parseErrors = 0;
  for (const { name, dockerfile, expected } of cases('errors')) {
    // Not a matter of syntax: an empty file is refused before it is parsed.
    if (dockerfile.length === 0) continue;
    const { message = '', messageAlternatives = [message], locationError = [] } = expected.error ?? {};
    try {
      parseStages(parseDockerfile(dockerfile).instructions);
      assert.doesNotMatch(message, /^dockerfile parse error/, name);
    } catch (error) {
      assert.ok(error instanceof DockerfileError, name);
      assert.ok(messageAlternatives.includes(error.message), `${name}: ${error.message}`);
      const lines = error.locations.map((ranges) => ranges.map((range) => range.start.line));
      assert.deepEqual(
        lines,
        locationError.map((ranges) => ranges.map((range) => range.Start.Line)),
        name,
      );
      parseErrors++;
    }
  }
  assert.ok(parseErrors > 20);
});

const TEXTUAL_RULES: ReadonlySet<string> = new Set(
  [
    rules.stageNameCasing,
    rules.fromAsCasing,
    rules.maintainerDeprecated,
    rules.invalidDefinitionDescription,
  ].map((rule) => rule.name),
);

test('lint rules about single instructions report what BuildKit reports', { skip: !present }, () => {
  for (const { name, dockerfile, check, expected } of cases('lint')) {
    const seen: LintWarning[] = [];
    const linter = new Linter(parseLintConfig(check), (warning) => seen.push(warning));
    parseStages(parseDockerfile(dockerfile).instructions, linter);
    const wanted = (expected.lint?.warnings ?? []).filter((warning) => TEXTUAL_RULES.has(warning.ruleName));
    assert.deepEqual(
      seen.map(({ ruleName, message, description, url }) => [ruleName, message, description, url]),
      wanted.map(({ ruleName, detail, description, url = '' }) => [ruleName, detail, description, url]),
      name,
    );
  }
});
