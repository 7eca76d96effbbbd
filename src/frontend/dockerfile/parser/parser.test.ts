import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InstructionNode } from './contract.ts';
import { DockerfileError } from './error.ts';
import { MAX_LINE_BYTES } from './lines.ts';
import { parseDockerfile } from './parser.ts';

/** Keyword, flags and arguments of each instruction. */
function outline(source: string | Uint8Array): [string, ...string[]][] {
  return parseDockerfile(source).instructions.map(({ keyword, flags, args }) => [keyword, ...flags, ...args]);
}

function only(source: string): InstructionNode {
  const [node, ...more] = parseDockerfile(source).instructions;
  assert.ok(node !== undefined && more.length === 0);
  return node;
}

function failure(source: string | Uint8Array): [string, number[][]] {
  let caught: unknown;
  try {
    parseDockerfile(source);
  } catch (error) {
    caught = error;
  }
  assert.ok(caught instanceof DockerfileError, `no DockerfileError but ${String(caught)}`);
  return [caught.message, caught.locations.map((ranges) => ranges.map((range) => range.start.line))];
}

test('parseDockerfile splits arguments as each instruction wants them', () => {
  const table: [string, string[]][] = [
    ['FROM  a \t AS  b', ['a', 'AS', 'b']],
    [
      'ENV a=1 b="x y" c=\'p q\' d=e\\ f',
      ['a', '1', '=', 'b', '"x y"', '=', 'c', "'p q'", '=', 'd', 'e\\ f', '='],
    ],
    ['ENV name  the rest "of it" ', ['name', 'the rest "of it"', '']],
    ['LABEL "a b"=c', ['"a b"', 'c', '=']],
    ['ARG a b=1 c="x y"', ['a', 'b=1', 'c="x y"']],
    ['ARG a\\', ['a']],
    ['RUN echo  two  spaces ', ['echo  two  spaces']],
    ['RUN ["a", "b c"]', ['a', 'b c']],
    ['RUN [a]', ['[a]']],
    ['CMD ["a", 1e999]', ['["a", 1e999]']],
    ['CMD []', []],
    ['CMD ["\\ud800\\u00e9"]', ['\ufffdé']],
    ['COPY a b /c', ['a', 'b', '/c']],
    ['VOLUME ["/a b", "/c"]', ['/a b', '/c']],
    ['HEALTHCHECK  CMD  curl  x', ['CMD', 'curl  x']],
    ['HEALTHCHECK CMD ["a", "b"]', ['CMD', 'a', 'b']],
    ['ONBUILD COPY --from=x a b', ['COPY', 'a', 'b']],
    ['USER  a b ', ['a b']],
    ['NOSUCH a b', []],
    ['WORKDIR', []],
  ];
  for (const [line, args] of table) assert.deepEqual(only(line).args, args, line);
});

test('parseDockerfile marks JSON arguments, also those of HEALTHCHECK and of the instruction after ONBUILD', () => {
  assert.equal(only('RUN ["a"]').json, true);
  assert.equal(only('RUN ["a"').json, false);
  assert.equal(only('HEALTHCHECK CMD ["a"]').json, true);
  assert.equal(only('ONBUILD RUN ["a"]').json, false);
  assert.equal(only('ONBUILD RUN ["a"]').child?.json, true);
});

test('parseDockerfile takes flags off before the arguments', () => {
  const table: [string, string[], string[]][] = [
    ['COPY --from=x --link a b', ['--from=x', '--link'], ['a', 'b']],
    ['RUN --mount="type=bind,a b" x', ['--mount=type=bind,a b'], ['x']],
    ["RUN --mount='a\\'b' x", ["--mount=a'b"], ['x']],
    ['RUN --a=b\\ c x', ['--a=b c'], ['x']],
    ['RUN -- --x', [], ['--x']],
    ['RUN --a -- --x', ['--a'], ['--x']],
    ['RUN - --x', [], ['- --x']],
    ['RUN --a', ['--a'], []],
    // Bytes, not characters: A0 is white space and everything else reads as Latin-1.
    ['RUN --a=ü x', ['--a=Ã¼'], ['x']],
    ['RUN --a=à x', ['--a=Ã'], ['x']],
  ];
  for (const [line, flags, args] of table) {
    assert.deepEqual(only(line).flags, flags, line);
    assert.deepEqual(only(line).args, args, line);
  }
});

test('parseDockerfile joins continued lines and leaves out comments between them', () => {
  const { instructions } = parseDockerfile('FROM a\nRUN one \\\n  # not this\n  two \\  \n\tthree\nUSER x\n');
  assert.deepEqual(
    instructions.map(({ original, startLine, endLine }) => [original, startLine, endLine]),
    [
      ['FROM a', 1, 1],
      ['RUN one   two \tthree', 2, 5],
      ['USER x', 6, 6],
    ],
  );
});

test('parseDockerfile does not continue a line that ends with an escaped escape token', () => {
  assert.deepEqual(outline('FROM a\nRUN x\\\\\nUSER y'), [
    ['FROM', 'a'],
    ['RUN', 'x\\\\'],
    ['USER', 'y'],
  ]);
});

test('parseDockerfile warns of empty lines inside a continued one', () => {
  const { instructions, warnings } = parseDockerfile('FROM a\nRUN x \\\n\n  \t\ny\n');
  assert.equal(instructions[1]?.original, 'RUN x y');
  assert.deepEqual(warnings, [
    {
      message: 'Empty continuation line found in: RUN x y',
      detail: 'Empty continuation lines will become errors in a future release',
      url: 'https://docs.docker.com/go/dockerfile/rule/no-empty-continuation/',
      location: { start: { line: 5, character: 0 }, end: { line: 5, character: 0 } },
    },
  ]);
});

test('parseDockerfile takes the escape directive for continuation, words and flags', () => {
  const { escapeToken, instructions } = parseDockerfile(
    '# escape=`\nFROM a\nRUN c:\\ `\n d\nENV x=a` b y=c:\\\nCOPY --from=a` b c d\n',
  );
  assert.equal(escapeToken, '`');
  assert.equal(instructions[1]?.original, 'RUN c:\\  d');
  assert.deepEqual(instructions[2]?.args, ['x', 'a` b', '=', 'y', 'c:\\', '=']);
  assert.deepEqual(instructions[3]?.flags, ['--from=a b']);
});

test('parseDockerfile ignores directives after anything else', () => {
  assert.equal(parseDockerfile('# a comment\n# escape=`\nFROM a').escapeToken, '\\');
  assert.equal(parseDockerfile('\n# escape=`\nFROM a').escapeToken, '\\');
  assert.equal(parseDockerfile('# unknown=x\n# escape=`\nFROM a').escapeToken, '\\');
  assert.equal(parseDockerfile('# syntax=x\n  #  ESCAPE = `  \nFROM a').escapeToken, '`');
});

test('parseDockerfile keeps comments above an instruction; a blank comment clears them, a blank line does not', () => {
  const { instructions } = parseDockerfile(
    '# check=skip=all\n# one\n#\n#  two \n\n# three\nFROM a\n# four\nRUN b \\\n# inside\nc\nUSER d',
  );
  assert.deepEqual(
    instructions.map((node) => node.comments),
    [['two', 'three'], ['four'], []],
  );
});

test('parseDockerfile takes CRLF line ends and a byte order mark', () => {
  assert.deepEqual(outline('\ufeffFROM a\r\nRUN x \\\r\n  y\r\n'), [
    ['FROM', 'a'],
    ['RUN', 'x   y'],
  ]);
  assert.deepEqual(outline('\ufeff# escape=`\r\nFROM a\r\nRUN x `\r\ny'), [
    ['FROM', 'a'],
    ['RUN', 'x y'],
  ]);
});

test('parseDockerfile keeps null bytes, and bytes that are not UTF-8 where they are only passed on', () => {
  assert.deepEqual(outline('FROM a\nRUN x\0y'), [
    ['FROM', 'a'],
    ['RUN', 'x\0y'],
  ]);
  const [, run] = outline(Buffer.concat([Buffer.from('FROM a\nRUN x'), Buffer.from([0xff, 0xe9])]));
  assert.deepEqual(run, ['RUN', 'x\udcff\udce9']);
  const [, env] = outline(Buffer.concat([Buffer.from('FROM a\nENV x=y'), Buffer.from([0xff])]));
  assert.deepEqual(env, ['ENV', 'x', 'y\ufffd', '=']);
});

test('parseDockerfile reads heredocs, several on a line, quoted, chomped, in ONBUILD', () => {
  const { instructions } = parseDockerfile(
    [
      'FROM a',
      'COPY <<A <<-"B" 3<<\'C D\' /x',
      'a $x',
      'A',
      '\ttab',
      '\tB',
      'c',
      'C D',
      'ONBUILD RUN <<E',
      'on',
      'E',
      'RUN cat <<E"O"F',
      '# no comment',
      '  EOF',
      'EOF',
    ].join('\n'),
  );
  assert.deepEqual(
    instructions.map((node) => node.heredocs),
    [
      [],
      [
        { name: 'A', fileDescriptor: 0, expand: true, chomp: false, content: 'a $x\n' },
        { name: 'B', fileDescriptor: 0, expand: false, chomp: true, content: '\ttab\n' },
        { name: 'C D', fileDescriptor: 3, expand: false, chomp: false, content: 'c\n' },
      ],
      [{ name: 'E', fileDescriptor: 0, expand: true, chomp: false, content: 'on\n' }],
      [{ name: 'EOF', fileDescriptor: 0, expand: false, chomp: false, content: '# no comment\n  EOF\n' }],
    ],
  );
  assert.deepEqual(
    instructions.map(({ startLine, endLine }) => [startLine, endLine]),
    [
      [1, 1],
      [2, 8],
      [9, 11],
      [12, 15],
    ],
  );
});

test('parseDockerfile keeps CRLF in heredocs and finds their ends', () => {
  const [, run] = parseDockerfile('FROM a\r\nRUN <<E\r\nx\r\nE\r\n').instructions;
  assert.equal(run?.heredocs[0]?.content, 'x\r\n');
});

test('parseDockerfile sees no heredoc in JSON arguments, other instructions and shifts', () => {
  for (const line of [
    'RUN ["<<E"]',
    'ENV a=<<E',
    'CMD <<E',
    'RUN cat <<<E',
    'RUN echo $((1<<2<<3))',
    'RUN << ',
  ]) {
    assert.deepEqual(only(line).heredocs, [], line);
  }
});

test('parseDockerfile reports errors with the lines they are on', () => {
  const long = 'x'.repeat(MAX_LINE_BYTES);
  const table: [string, string, number[][]][] = [
    ['', 'file with no instructions', [[0]]],
    ['# a\n\n', 'file with no instructions', [[2]]],
    ['# escape=x\nFROM a', "invalid escape token 'x' does not match ` or \\", [[0]]],
    ['# escape=``\nFROM a', "invalid escape token '``' does not match ` or \\", [[0]]],
    ['# syntax=a\n# syntax=b\nFROM a', 'only one syntax parser directive can be used', [[1]]],
    ['FROM a\nENV \\\n  b', 'ENV must have two arguments', [[2, 3]]],
    ['FROM a\nLABEL b', 'LABEL must have two arguments', [[2]]],
    ['FROM a\nENV a=b c', 'Syntax error - can\'t find = in "c". Must be of the form: name=value', [[2]]],
    ['FROM a\nONBUILD ENV a', 'ENV must have two arguments', [[2]]],
    ['CMD ["a", 1]', 'when using JSON array syntax, arrays must be comprised of strings only', [[1]]],
    ['VOLUME [null]', 'when using JSON array syntax, arrays must be comprised of strings only', [[1]]],
    ['FROM a\nRUN <<E\nx\n', 'unterminated heredoc', [[2, 3]]],
    [`FROM a\nRUN ${long}\nUSER b`, 'dockerfile line greater than max allowed size of 65535', [[1]]],
    [`FROM a\nRUN b \\\n${long}\n`, 'dockerfile line greater than max allowed size of 65535', [[3]]],
  ];
  for (const [source, message, lines] of table) {
    assert.deepEqual(failure(source), [message, lines], JSON.stringify(source.slice(0, 40)));
  }
});

test('parseDockerfile takes a line just below the limit', () => {
  const room = MAX_LINE_BYTES - 'RUN é\n'.length - 1;
  assert.equal(outline(`FROM a\nRUN é${'x'.repeat(room)}\n`).length, 2);
  assert.throws(() => parseDockerfile(`FROM a\nRUN é${'x'.repeat(room + 1)}\n`), /65535/);
});
