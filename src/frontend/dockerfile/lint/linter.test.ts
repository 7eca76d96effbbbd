import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLintConfig } from './config.ts';
import type { LintRule } from './contract.ts';
import { Linter, shortLintMessage } from './linter.ts';
import * as rules from './rules.ts';

const DEFAULT = {
  skipAll: false,
  skipRules: [],
  experimentalAll: false,
  experimentalRules: [],
  returnAsError: false,
};

test('parseLintConfig reads its three options in any order', () => {
  const table: [string, Partial<ReturnType<typeof parseLintConfig>>][] = [
    ['', {}],
    [' skip=all ', { skipAll: true }],
    ['skip= A , B;error=T', { skipRules: ['A', 'B'], returnAsError: true }],
    ['error = 0;experimental=all;skip=X', { experimentalAll: true, skipRules: ['X'] }],
    ['experimental=A,B', { experimentalRules: ['A', 'B'] }],
  ];
  for (const [text, want] of table) assert.deepEqual(parseLintConfig(text), { ...DEFAULT, ...want }, text);
});

test('parseLintConfig fails with the texts of BuildKit', () => {
  const table: [string, string][] = [
    ['foo', 'invalid check option "foo"'],
    ['skip=A; foo =1', 'invalid check option "foo"'],
    ['skip=A;', 'invalid check option ""'],
    [
      'error=maybe',
      'failed to parse check option "error=maybe": strconv.ParseBool: parsing "maybe": invalid syntax',
    ],
    // Only two semicolons separate.
    [
      'skip=A;skip=B;error=true;x',
      'failed to parse check option "error=true;x": strconv.ParseBool: parsing "true;x": invalid syntax',
    ],
  ];
  for (const [text, message] of table) assert.throws(() => parseLintConfig(text), { message }, text);
});

function ruleNamesRun(config: string, comments: string[] = []): string[] {
  const names: string[] = [];
  const linter = new Linter(parseLintConfig(config), (warning) => names.push(warning.ruleName));
  const here = linter.forComments(comments);
  here.run(rules.stageNameCasing, [], 'A');
  here.run(rules.maintainerDeprecated, []);
  here.run(rules.invalidDefinitionDescription, [], 'ARG', 'x');
  return names;
}

test('Linter runs rules as the configuration and comments say', () => {
  const table: [string, string[], string[]][] = [
    ['', [], ['StageNameCasing', 'MaintainerDeprecated']],
    ['skip=all', [], []],
    [
      'skip=StageNameCasing;experimental=InvalidDefinitionDescription',
      [],
      ['MaintainerDeprecated', 'InvalidDefinitionDescription'],
    ],
    ['skip=all;experimental=all', [], ['InvalidDefinitionDescription']],
    ['', ['a', 'check=skip=MaintainerDeprecated the rest'], ['StageNameCasing']],
    [
      'skip=StageNameCasing',
      ['check=skip=MaintainerDeprecated;experimental=all'],
      ['InvalidDefinitionDescription'],
    ],
    ['', ['check=skip=all;error=x'], ['StageNameCasing', 'MaintainerDeprecated']],
    ['', ['check=skip=StageNameCasing', 'check=skip=all'], ['MaintainerDeprecated']],
  ];
  for (const [config, comments, want] of table) {
    assert.deepEqual(ruleNamesRun(config, comments), want, `${config} ${comments.join()}`);
  }
});

test('Linter has an error once a rule was violated, if asked, also in an instruction of its own configuration', () => {
  const strict = new Linter(parseLintConfig('error=true'), () => {});
  assert.equal(strict.error(), undefined);
  strict.forComments(['check=experimental=all']).run(rules.invalidDefinitionDescription, [], 'ARG', 'x');
  strict.run(rules.stageNameCasing, [], 'A');
  strict.run(rules.stageNameCasing, [], 'B');
  assert.equal(
    strict.error()?.message,
    'lint violation found for rules: InvalidDefinitionDescription, StageNameCasing',
  );
  const lax = new Linter(parseLintConfig(''), () => {});
  lax.run(rules.stageNameCasing, [], 'A');
  assert.equal(lax.error(), undefined);
});

test('rules have names of their own and pages named after them', () => {
  const all: LintRule<never>[] = Object.values(rules);
  assert.equal(new Set(all.map((rule) => rule.name)).size, all.length);
  for (const { name, url } of all) {
    if (url === '') continue;
    const page = /\/rule\/(.+)\/$/.exec(url)?.[1]?.replaceAll('-', '');
    assert.equal(page, name.toLowerCase());
  }
});

test('rules quote what they name as Go does', () => {
  assert.equal(
    rules.duplicateStageName.format('a"'),
    'Duplicate stage name "a\\"", stage names should be unique',
  );
  assert.equal(rules.undefinedVar.format('A', 'B'), "Usage of undefined variable '$A' (did you mean $B?)");
  assert.equal(rules.undefinedArgInFrom.format('A', ''), "FROM argument 'A' is not declared");
  assert.equal(
    rules.invalidBaseImagePlatform.format('x', 'linux/arm64', 'linux/amd64'),
    'Base image x was pulled with platform "linux/amd64", expected "linux/arm64" for current build',
  );
});

test('shortLintMessage names the line when there is one', () => {
  assert.equal(shortLintMessage('Rule', 'text', 3), 'Rule: text (line 3)');
  assert.equal(shortLintMessage('Rule', 'text', 0), 'Rule: text');
});
