/** No text makes the frontend throw anything but its own errors, or hang. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { CairnError } from '../../errors/error.ts';
import { parseDockerignore } from './dockerignore.ts';
import { expandCommand } from './instructions/expand.ts';
import { parseStages } from './instructions/parse.ts';
import { parseLintConfig } from './lint/config.ts';
import { Linter } from './lint/linter.ts';
import { detectSyntax } from './parser/directives.ts';
import { DockerfileError } from './parser/error.ts';
import { KEYWORDS } from './parser/keywords.ts';
import { parseDockerfile } from './parser/parser.ts';
import { envFromList, Lex } from './shell/lex.ts';

const RUNS = { numRuns: 300 };
const env = envFromList(['A=a/b.c', 'B=', 'C=$A${A}']);

const fragment = fc.oneof(
  fc.constantFrom(...KEYWORDS, ...KEYWORDS.map((word) => word.toUpperCase())),
  fc.constantFrom(
    '--from=',
    '--mount=type=',
    'cache',
    ',id=',
    '--link',
    '--chown=',
    '--interval=',
    '--retries=',
    '-- ',
  ),
  fc.constantFrom('<<E', '<<-"E"', "<<'E F'", '\nE\n', '\n\tE\n', ' AS ', '["a"', ']', '[', '{', '}', '='),
  fc.constantFrom(
    '$A',
    '${A',
    ':-',
    ':?',
    '##',
    '%%*',
    '//',
    '\\',
    '`',
    '"',
    "'",
    '# escape=`\n',
    '# check=skip=all\n',
  ),
  fc.constantFrom('\n', '\r\n', ' \\\n', ' `\n', ' ', '\t', '#', '\0', '\ufeff', '\u0085', '😀'),
  fc.string({ maxLength: 5 }),
);
const text = fc.array(fragment, { maxLength: 30 }).map((parts) => parts.join(''));
const bytes = fc.oneof(
  text.map((value): Uint8Array => Buffer.from(`FROM a\n${value}`)),
  text.map((value): Uint8Array => Buffer.from(value)),
  fc.uint8Array({ maxLength: 200 }),
);

function onlyThrows(kind: typeof CairnError | typeof DockerfileError, run: () => unknown): void {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof kind, error instanceof Error ? error.stack : String(error));
  }
}

test('a Dockerfile of any bytes parses or fails with a DockerfileError', () => {
  fc.assert(
    fc.property(bytes, (source) => {
      detectSyntax(source);
      onlyThrows(DockerfileError, () => {
        const { instructions, escapeToken } = parseDockerfile(source);
        const lines = source.filter((byte) => byte === 0x0a).length + 1;
        for (const node of instructions) {
          assert.ok(node.startLine >= 1 && node.startLine <= node.endLine && node.endLine <= lines);
        }
        const linter = new Linter(parseLintConfig('experimental=all'), () => {});
        const lex = new Lex(escapeToken);
        for (const stage of parseStages(instructions, linter).stages) {
          for (const command of stage.commands) {
            expandCommand(command, (word) => lex.processWord(word, env).result);
          }
        }
      });
    }),
    RUNS,
  );
});

test('a word of any text expands or fails with a DockerfileError', () => {
  const flag = fc.boolean();
  const options = fc.record({
    rawQuotes: flag,
    rawEscapes: flag,
    skipProcessQuotes: flag,
    skipUnsetEnv: flag,
  });
  fc.assert(
    fc.property(text, options, fc.constantFrom('\\' as const, '`' as const), (word, set, escape) => {
      const { error, result } = new Lex(escape, set).tryWord(word, env);
      assert.ok(error === undefined || result === '');
    }),
    RUNS,
  );
});

test('a word in single quotes expands to itself', () => {
  const unquoted = text.filter((value) => !value.includes("'") && value.isWellFormed());
  fc.assert(
    fc.property(unquoted, (value) => {
      assert.equal(new Lex('\\').processWord(`'${value}'`, env).result, value);
    }),
    RUNS,
  );
});

test('lint options and .dockerignore files of any text are read or refused', () => {
  fc.assert(
    fc.property(text, (value) => {
      onlyThrows(DockerfileError, () => parseLintConfig(value));
      onlyThrows(CairnError, () => parseDockerignore(Buffer.from(value)));
    }),
    RUNS,
  );
});
