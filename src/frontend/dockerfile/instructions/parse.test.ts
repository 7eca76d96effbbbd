import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLintConfig } from '../lint/config.ts';
import { Linter } from '../lint/linter.ts';
import { DockerfileError } from '../parser/error.ts';
import { parseDockerfile } from '../parser/parser.ts';
import { parseCommand, parseStages } from './parse.ts';
import type { Command, CommandKind } from './types.ts';

function commandsOf(text: string): Command[] {
  return parseStages(parseDockerfile(`FROM a\n${text}`).instructions).stages[0]?.commands ?? [];
}

/** The one command of `text`, without what every command has. */
function fieldsOf<K extends CommandKind>(text: string, kind: K): Partial<Extract<Command, { kind: K }>> {
  const [command, ...more] = commandsOf(text);
  assert.ok(command !== undefined && more.length === 0);
  assert.equal(command.kind, kind);
  const { name: _name, code: _code, location: _location, comments: _comments, ...rest } = command;
  return rest as Partial<Extract<Command, { kind: K }>>;
}

test('parseStages groups commands by stage and keeps global arguments apart', () => {
  const { stages, metaArgs } = parseStages(
    parseDockerfile(
      '# V the version\n# other\nARG V=1\n# Base the first\nfrom --platform=$P x As Base\nRUN a\nFROM base\nARG V\n',
    ).instructions,
  );
  assert.deepEqual(
    metaArgs.map((command) => command.args),
    [[{ key: 'V', value: '1', docComment: 'the version' }]],
  );
  assert.deepEqual(
    stages.map(({ name, keyword, baseName, platform, docComment, code, commands }) => [
      name,
      keyword,
      baseName,
      platform,
      docComment,
      code,
      commands.map((command) => command.kind),
    ]),
    [
      ['base', 'from', 'x', '$P', '', 'from --platform=$P x As Base', ['run']],
      ['', 'FROM', 'base', '', '', 'FROM base', ['arg']],
    ],
  );
  assert.deepEqual(
    stages.map((stage) => stage.location.map((range) => range.start.line)),
    [[5], [7]],
  );
});

test('parseStages finds the description of a stage by its lower-case name', () => {
  const { stages } = parseStages(parseDockerfile('# X not\n# x yes \nFROM a AS X').instructions);
  assert.equal(stages[0]?.docComment, 'yes');
});

test('parseStages keeps name, text, lines and comments of a command', () => {
  const [command] = commandsOf('# one\n Run <<E \\\n  x\nbody\nE\n');
  assert.equal(command?.name, 'Run');
  assert.equal(command.code, 'Run <<E   x');
  assert.deepEqual(
    command.location.map((range) => range.start.line),
    [3, 4, 5, 6],
  );
  assert.deepEqual(command.comments, ['one']);
});

test('parseStages types each instruction', () => {
  assert.deepEqual(fieldsOf('ENV a=1 b="x y"', 'env'), {
    kind: 'env',
    env: [
      { key: 'a', value: '1', legacy: false },
      { key: 'b', value: '"x y"', legacy: false },
    ],
  });
  assert.deepEqual(fieldsOf('LABEL a b c', 'label').labels, [{ key: 'a', value: 'b c', legacy: true }]);
  assert.deepEqual(fieldsOf('MAINTAINER a b', 'maintainer').maintainer, 'a b');
  assert.deepEqual(fieldsOf('ARG a b= c="x=y"', 'arg').args, [
    { key: 'a', value: undefined, docComment: '' },
    { key: 'b', value: '', docComment: '' },
    { key: 'c', value: '"x=y"', docComment: '' },
  ]);
  assert.deepEqual(fieldsOf('EXPOSE 9 80/tcp 10', 'expose').ports, ['10', '80/tcp', '9']);
  assert.deepEqual(fieldsOf('VOLUME [" /a ", "/b"]', 'volume').volumes, ['/a', '/b']);
  assert.deepEqual(fieldsOf('SHELL ["a", "b"]', 'shell').shell, ['a', 'b']);
  assert.deepEqual(fieldsOf('STOPSIGNAL --x 9', 'stopsignal').signal, '9');
  assert.deepEqual(fieldsOf('CMD ["a"]', 'cmd'), {
    kind: 'cmd',
    cmdLine: ['a'],
    files: [],
    prependShell: false,
  });
  assert.deepEqual(fieldsOf('ENTRYPOINT []', 'entrypoint').cmdLine, []);
  assert.deepEqual(fieldsOf('CMD a  b', 'cmd').cmdLine, ['a  b']);
});

test('parseStages types COPY and ADD with every flag and heredoc sources', () => {
  const copy =
    'COPY --from=x --chown=1 --chmod=2 --link --parents --exclude=a --exclude=b s <<-E <<"F" /d\n\tt\nE\nf\nF\n';
  assert.deepEqual(fieldsOf(copy, 'copy'), {
    kind: 'copy',
    sourcePaths: ['s'],
    sourceContents: [
      { path: 'E', data: 't\n', expand: true },
      { path: 'F', data: 'f\n', expand: false },
    ],
    destPath: '/d',
    from: 'x',
    chown: '1',
    chmod: '2',
    link: true,
    parents: true,
    excludePatterns: ['a', 'b'],
  });
  assert.deepEqual(fieldsOf('ADD --keep-git-dir=FALSE --checksum=c --unpack ["a b", "/d"]', 'add'), {
    kind: 'add',
    sourcePaths: ['a b'],
    sourceContents: [],
    destPath: '/d',
    chown: '',
    chmod: '',
    link: false,
    keepGitDir: false,
    checksum: 'c',
    excludePatterns: [],
    unpack: true,
  });
  const { keepGitDir, unpack } = fieldsOf('ADD a b', 'add');
  assert.deepEqual([keepGitDir, unpack], [undefined, undefined]);
});

test('parseStages gives heredocs of one delimiter the content of the last', () => {
  assert.deepEqual(
    fieldsOf('COPY <<E <<E /d\n1\nE\n2\nE\n', 'copy').sourceContents?.map((content) => content.data),
    ['2\n', '2\n'],
  );
});

test('parseStages types RUN with every flag', () => {
  const run = fieldsOf(
    'RUN --network=none --security=insecure --device=v/c=n,required --mount=from=x,target=/y a',
    'run',
  );
  assert.deepEqual(
    [run.network, run.security, run.cmdLine, run.prependShell],
    ['none', 'insecure', ['a'], true],
  );
  assert.deepEqual(run.devices, [{ name: 'v/c=n', required: true }]);
  assert.deepEqual(run.mountFlags, ['from=x,target=/y']);
  assert.deepEqual([run.mounts?.[0]?.from, run.mounts?.[0]?.target], ['x', '']);
  const inline = fieldsOf('RUN <<-E\n\ta\n\tE', 'run');
  assert.deepEqual(inline.files, [{ name: 'E', data: '\ta\n', chomp: true }]);
  assert.deepEqual(inline.cmdLine, ['<<-E']);
});

test('parseStages types HEALTHCHECK', () => {
  const none = { interval: 0n, timeout: 0n, startPeriod: 0n, startInterval: 0n, retries: 0 };
  const table: [string, object][] = [
    ['none', { ...none, test: ['NONE'] }],
    ['--nosuch NONE', { ...none, test: ['NONE'] }],
    ['cmd a  b', { ...none, test: ['CMD-SHELL', 'a  b'] }],
    [
      '--interval=1.5s --retries=3 CMD ["a"]',
      { ...none, test: ['CMD', 'a'], interval: 1_500_000_000n, retries: 3 },
    ],
    [
      '--timeout=1h2m --start-period=0 --start-interval=1ms CMD a',
      { ...none, test: ['CMD-SHELL', 'a'], timeout: 3_720_000_000_000n, startInterval: 1_000_000n },
    ],
  ];
  for (const [text, health] of table) {
    assert.deepEqual(fieldsOf(`HEALTHCHECK ${text}`, 'healthcheck').health, health, text);
  }
});

test('parseStages keeps an ONBUILD trigger as text that parses again', () => {
  const { expression = '' } = fieldsOf('onbuild  COPY --link <<E <<F /x\na\nE\nb\nF\n', 'onbuild');
  assert.equal(expression, 'COPY --link <<E <<F /x\na\nE\nb\nF');
  const [node] = parseDockerfile(expression).instructions;
  assert.ok(node !== undefined);
  assert.equal(parseCommand(node).kind, 'copy');
});

test('parseCommand refuses FROM', () => {
  const [node] = parseDockerfile('FROM a').instructions;
  assert.ok(node !== undefined);
  assert.throws(
    () => parseCommand(node),
    (error) =>
      error instanceof DockerfileError &&
      error.locations.length === 1 &&
      /is not a command type/.test(error.message),
  );
});

test('parseStages lints what one instruction shows', () => {
  const warnings: string[] = [];
  const linter = new Linter(parseLintConfig('experimental=all'), ({ ruleName, message, location }) =>
    warnings.push(`${location[0]?.start.line} ${ruleName}: ${message}`),
  );
  const text = [
    'FROM a as Base',
    '# check=skip=StageNameCasing',
    'from a AS Other',
    '# wrong comment',
    'From a As ok',
    '# wrong',
    'ARG x y',
    '# x right',
    'ARG x y',
    'MAINTAINER me',
  ];
  parseStages(parseDockerfile(text.join('\n')).instructions, linter);
  assert.deepEqual(warnings, [
    "1 StageNameCasing: Stage name 'Base' should be lowercase",
    "1 FromAsCasing: 'as' and 'FROM' keywords' casing do not match",
    "3 FromAsCasing: 'AS' and 'from' keywords' casing do not match",
    '3 InvalidDefinitionDescription: Comment for FROM should follow the format: `# other <description>`',
    '5 InvalidDefinitionDescription: Comment for FROM should follow the format: `# ok <description>`',
    '7 InvalidDefinitionDescription: Comment for ARG should follow the format: `# <arg_key> <description>`',
    '10 MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label',
  ]);
});
