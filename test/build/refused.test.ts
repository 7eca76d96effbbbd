/** What is refused before anything is built, and how a build that fails or is stopped is told: words and exit codes of docker buildx. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { once } from 'node:events';
import { cairnAndRegistry } from './cairn_and_registry.ts';

const { cairn } = await cairnAndRegistry();

let context: string;

before(async () => {
  context = cairn.project({ Dockerfile: 'FROM scratch AS named\nCOPY Dockerfile /\n', file: '' });
});
describe('the command line', () => {
  for (const [args, message] of [
    [['--flie', 'x', '.'], /^ERROR: unknown flag: --flie\ndid you mean --file\?$/m],
    [['-Z', '.'], /^ERROR: unknown shorthand flag: 'Z' in -Z$/m],
    [['-t'], /^ERROR: flag needs an argument: --tag$/m],
    [[], /^ERROR: 'cairn build' requires 1 argument\nUsage: {2}cairn build \[OPTIONS\] PATH \| URL \| -$/m],
    [['.', '.'], /^ERROR: 'cairn build' requires 1 argument$/m],
    [['--shm-size=x', '.'], /^ERROR: invalid size "x" for --shm-size$/m],
    [['--ulimit=x', '.'], /^ERROR: invalid ulimit argument: x$/m],
    [['--build-arg', '=x', '.'], /^ERROR: invalid key-value pair "=x" in --build-arg: empty key$/m],
    [['nowhere'], /^ERROR: failed to build: unable to prepare context: path "nowhere" not found$/m],
    [['-o', 'type=local', '.'], /^ERROR: failed to build: dest is required for local exporter$/m],
    [['--platform=x', '.'], /^ERROR: failed to build: .*"x": unknown operating system or architecture/m],
    [['--build-context', 'a b=.', '.'], /^ERROR: invalid context name a b: invalid reference/m],
    [
      ['--load', '--platform=linux/amd64,linux/arm64', '.'],
      /^ERROR: failed to build: docker exporter does not currently support exporting manifest lists$/m,
    ],
    [['--secret=id=x,src=nowhere', '.'], /^ERROR: failed to build: failed to stat nowhere/m],
    [
      ['--ssh=default', '.'],
      /^ERROR: failed to build: failed to convert agent config for ID: "default": .*SSH_AUTH_SOCK/m,
    ],
    [['--ssh=x=nowhere', '.'], /agent config for ID: "x": stat nowhere: no such file or directory$/m],
    [['--ssh=x=file', '.'], /agent config for ID: "x": failed to parse file: /m],
    [['--iidfile=no/where', '.'], /^ERROR: invalid output path of --iidfile: stat no: no such directory$/m],
    [['--builder=elsewhere', '.'], /^ERROR: no builder "elsewhere" found$/m],
    [['--resource=mem=1', '.'], /^ERROR: .*unknown resource "mem"\nresources are memory, /m],
    [['-f=Dockerfile', '-t=A', '.'], /^ERROR: .*invalid tag "A": /m],
    [['-qt=A', '--progress=auto', '.'], /^ERROR: .*invalid tag "A": /m],
    [['--platform=', '.'], /^ERROR: failed to build: invalid value of --platform: "" is an invalid OS /m],
    [
      ['-o', 'type=local,dest=..,mode=delete', '.'],
      /^ERROR: .*mode=delete for destination ".." requires --allow=buildx.local.delete$/m,
    ],
    [
      ['-o', 'type=local,dest=.,mode=delete', '.'],
      /^ERROR: .*for destination "." requires --allow=buildx.local.delete$/m,
    ],
    [['--build-arg=BUILDKIT_SYNTAX=', '.'], /^ERROR: empty BUILDKIT_SYNTAX build-arg is invalid$/m],
    [[''], /^ERROR: failed to build: the build context is empty$/m],
    [['--policy=filename=x', '.'], /^ERROR: --policy is not supported$/m],
    [['--metadata-file=no/where', '.'], /^ERROR: invalid output path of --metadata-file: stat no: /m],
    [['--cache-report=no/where', '.'], /^ERROR: invalid output path of --cache-report: stat no: /m],
    [
      ['--cache-report=-', '-o=-', '.'],
      /^ERROR: failed to build: multiple outputs configured to write to stdout$/m,
    ],
  ] as const) {
    test(args.join(' ') || 'nothing', async () => {
      const { code, stdout, stderr } = await cairn.run(['build', '--progress=plain', ...args], {
        cwd: context,
        env: { SSH_AUTH_SOCK: '' },
      });
      assert.equal(code, 1);
      assert.match(stderr, message);
      assert.equal(stdout, '');
      assert.doesNotMatch(stderr, /^#1/m, 'nothing was begun');
    });
  }
});

test('a policy beside the Dockerfile or in the environment is not passed over in silence', async () => {
  const directory = cairn.project({ Dockerfile: 'FROM scratch\n', 'Dockerfile.rego': 'package docker\n' });
  const refused = await cairn.run(['build', directory]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /the policy .*\/Dockerfile\.rego cannot be applied/);
  assert.equal((await cairn.run(['build', '--policy=disabled=true', directory])).code, 0);
  const env = { EXPERIMENTAL_BUILDKIT_SOURCE_POLICY: 'policy.json' };
  assert.match(
    (await cairn.run(['build', context], { env })).stderr,
    /EXPERIMENTAL_BUILDKIT_SOURCE_POLICY is set/,
  );
});

test('empty values that docker buildx takes', async () => {
  const { code, stderr } = await cairn.run(['build', '--progress=', '--add-host=', '--output=', context]);
  assert.equal(code, 0, stderr);
});

test('mode=delete needs no --allow below the current directory', async () => {
  const { code, stderr } = await cairn.run(['build', '-o', 'type=local,dest=out/x,mode=delete', context]);
  assert.equal(code, 0, stderr);
});

test('--check shows the line that cannot be read', async () => {
  const directory = cairn.project({ Dockerfile: 'FROM scratch\nCOPPY x /\n' });
  const { code, stderr } = await cairn.run(['build', '--check', directory]);
  assert.equal(code, 1);
  assert.match(stderr, /^ +2 \| >>> COPPY x \/$/m);
  assert.match(stderr, /^ERROR: dockerfile parse error on line 2: unknown instruction: COPPY/m);
});

test('of --check, --call and --print the last one counts', async () => {
  const asked = async (...flags: string[]) => (await cairn.run(['build', ...flags, context])).stdout;
  assert.match(await asked('--check', '--call=targets'), /^TARGET/);
  assert.match(await asked('--call=targets', '--check'), /^Check complete/);
  assert.match(await asked('--check', '--print', 'outline'), /^TARGET/);
});

test('flags of docker build that have no effect are told', async () => {
  const { code, stderr } = await cairn.run([
    'build',
    '--squash',
    '--security-opt=x',
    '--progress=plain',
    context,
  ]);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^WARNING: --squash has no effect/m);
  assert.match(stderr, /^WARNING: --security-opt has no effect/m);
  assert.doesNotMatch(stderr, /--isolation/);
});

test('--check tells an error once, after the warnings, and in JSON too', async () => {
  const directory = cairn.project({ Dockerfile: 'FROM nosuchimage as a\nRUN true\n' });
  const text = await cairn.run(['build', '--check', '--progress=plain', directory]);
  assert.equal(text.code, 1);
  assert.match(text.stdout, /^Check complete, 1 warning has been found!\n(.*\n)+-{20}\n\n$/);
  assert.equal(text.stderr.match(/^ > \[internal\] load metadata/gm)?.length, 1, text.stderr);
  assert.match(text.stderr, /^ERROR: nosuchimage: .*not found$/m);
  const json = await cairn.run(['build', '--call=check,format=json,ignorestatus=true', directory]);
  assert.equal(json.code, 1, 'ignorestatus is about warnings');
  const { buildError } = JSON.parse(json.stdout) as { buildError: { message: string } };
  assert.match(buildError.message, /not found$/);
  assert.match(json.stderr, /^ +1 \| >>> FROM nosuchimage as a$/m);
  assert.match(json.stderr, /^ERROR: nosuchimage: .*not found$/m);
});

test('a build that fails tells its warnings, too, and the error last', async () => {
  const directory = cairn.project({ Dockerfile: 'FROM busybox as x\nRUN echo why; false\n' });
  const { code, stderr } = await cairn.run(['build', '--progress=plain', directory]);
  assert.equal(code, 1);
  const order = [
    '\n------\n > [2/2] RUN echo why; false:\n',
    'WARNING: No output specified',
    ' - FromAsCasing: ',
    '\nDockerfile:2\n--------------------\n',
    'ERROR: failed to build: failed to solve: process "/bin/sh -c echo why; false" did not complete',
  ].map((text) => stderr.indexOf(text));
  assert.ok(!order.includes(-1), stderr);
  assert.deepEqual(
    order,
    order.toSorted((a, b) => a - b),
  );
});

test('two interrupts at once stop a build as one does: told, exit code 130', async () => {
  const directory = cairn.project({ Dockerfile: 'FROM busybox\nRUN echo begun; sleep 60\n' });
  const child = cairn.start(['build', '--progress=plain', directory]);
  let text = '';
  child.stdin?.end();
  await new Promise<void>((begun) => {
    child.stderr?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (/^#\d+ \d\.\d+ begun$/m.test(text)) begun();
    });
  });
  child.kill('SIGINT');
  child.kill('SIGINT');
  const [code] = (await once(child, 'close')) as [number];
  assert.equal(code, 130, text);
  assert.match(text, /^#\d+ CANCELED$/m);
  assert.match(text, /^ERROR: failed to build: failed to solve: Canceled: context canceled$/m);
});
