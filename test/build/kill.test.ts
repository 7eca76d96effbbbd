/** Kill -9 at any moment: the next build succeeds and its image is right. Builds in several processes share a store. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { cairnAndRegistry } from './cairn_and_registry.ts';
import { faultsOf } from './records.ts';

const { cairn, registry } = await cairnAndRegistry();

/** Kills in one run of the test. */
const KILLS = 20;
const FILES = 400;

let project: string;

before(async () => {
  project = join(cairn.directory, 'project');
  mkdirSync(join(project, 'src'), { recursive: true });
  for (let i = 0; i < FILES; i++) writeFileSync(join(project, 'src', `f${i}`), `${i}\n`.repeat(200));
  writeFileSync(
    join(project, 'Dockerfile'),
    [
      'FROM alpine:3.20 AS a',
      'ARG SALT',
      'COPY src /src',
      'RUN --mount=type=cache,target=/cache cat /src/* > /all && cp /all /cache/ && echo $SALT > /salt',
      'FROM alpine:3.20',
      'COPY --from=a /all /salt /out/',
      'COPY --link src/f7 /out/',
      'RUN sleep 0.1; wc -c < /out/all > /size',
      '',
    ].join('\n'),
  );
});

const args = (salt: string, image: string) => [
  'build',
  '--progress=plain',
  '--build-arg',
  `SALT=${salt}`,
  '--push',
  '-t',
  image,
  project,
];

/** Reads the image back with another tool and checks every file that the build makes. */
function check(image: string, salt: string): void {
  const directory = join(cairn.directory, `read-${salt}`);
  execFileSync('skopeo', [
    'copy',
    '--quiet',
    '--src-tls-verify=false',
    `docker://${image}`,
    `dir:${directory}`,
  ]);
  const manifest = JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8')) as {
    layers: { digest: string }[];
  };
  mkdirSync(join(directory, 'root'));
  for (const { digest } of manifest.layers) {
    execFileSync('tar', [
      '-xf',
      join(directory, digest.replace('sha256:', '')),
      '-C',
      join(directory, 'root'),
    ]);
  }
  const read = (path: string) => readFileSync(join(directory, 'root', path), 'utf8');
  const names = Array.from({ length: FILES }, (_, i) => `f${i}`).sort();
  const all = names.map((name) => `${name.slice(1)}\n`.repeat(200)).join('');
  assert.equal(read('out/all'), all);
  assert.equal(read('out/salt'), `${salt}\n`);
  assert.equal(read('size').trim(), String(Buffer.byteLength(all)));
}

test(`the next build is right after each of ${KILLS} kills at random moments`, async () => {
  const started = Date.now();
  const whole = await cairn.run(args('warm', `${registry.host}/kill/warm:1`));
  assert.equal(whole.code, 0, whole.stderr);
  const duration = Date.now() - started;

  for (let kill = 0; kill < KILLS; kill++) {
    const salt = `s${kill}`;
    // Every fifth time the store is new, so that pulling and unpacking are hit as well.
    if (kill % 5 === 0) cairn.removeStore();
    const image = `${registry.host}/kill/app:${salt}`;
    const child = cairn.start(args(salt, image));
    child.stdout?.resume();
    child.stderr?.resume();
    const gone = new Promise((done) => child.once('close', done));
    await new Promise((done) => setTimeout(done, Math.random() * duration));
    child.kill('SIGKILL');
    await gone;

    const next = await cairn.run(args(salt, image));
    assert.equal(next.code, 0, `after kill ${kill}:\n${next.stderr}`);
    assert.doesNotMatch(next.stderr, /set aside|damaged/);
    assert.deepEqual(faultsOf(cairn.store), [], `after kill ${kill}`);
    check(image, salt);
  }
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
  assert.ok(!mounts.includes(cairn.store), 'mounts were left behind');
});

for (const [phase, line] of [
  ['resolving', /load metadata/],
  ['pulling', /sha256:[0-9a-f]+ [\d.]+MB/],
  ['unpacking', / extracting /],
  ['running', /RUN --mount/],
  ['exporting', /exporting layers/],
  ['pushing', /pushing layers/],
] as const) {
  test(`the next build is right after a kill while ${phase}`, async () => {
    cairn.removeStore();
    const image = `${registry.host}/kill/phase:${phase}`;
    const child = cairn.start(args(phase, image));
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr += chunk.toString('utf8');
      if (line.test(stderr)) child.kill('SIGKILL');
    });
    await new Promise((done) => child.once('close', done));
    assert.match(stderr, line);
    const next = await cairn.run(args(phase, image));
    assert.equal(next.code, 0, next.stderr);
    assert.deepEqual(faultsOf(cairn.store), []);
    check(image, phase);
  });
}

test('a store whose collection was killed builds, and is empty after the next collection', async () => {
  const image = `${registry.host}/kill/prune:1`;
  for (const delay of [50, 150, 200, 250, 300]) {
    assert.equal((await cairn.run(args('prune', image))).code, 0);
    const child = cairn.start(['prune', '--all', '--force']);
    child.stdout?.resume();
    const gone = new Promise((done) => child.once('close', done));
    await new Promise((done) => setTimeout(done, delay));
    child.kill('SIGKILL');
    await gone;
  }
  const next = await cairn.run(args('prune', image));
  assert.equal(next.code, 0, next.stderr);
  check(image, 'prune');
  assert.equal((await cairn.run(['prune', '--all', '--force'])).code, 0);
  assertEmpty();
});

test('two builds of one Dockerfile at once on one store both succeed', async () => {
  cairn.removeStore();
  const images = ['x', 'y', 'z'].map((name) => `${registry.host}/both/${name}:1`);
  const outcomes = await Promise.all(images.map((image) => cairn.run(args('both', image))));
  for (const { code, stderr } of outcomes) assert.equal(code, 0, stderr);
  check(images[0] ?? '', 'both');
});

test('builds succeed while other processes prune everything that is not in use', async () => {
  cairn.removeStore();
  let done = false;
  const prune = async () => {
    let count = 0;
    for (; !done; count++) {
      const { code, stderr } = await cairn.run(['prune', '--all', '--force']);
      assert.equal(code, 0, stderr);
    }
    return count;
  };
  const build = async (name: string) => {
    for (let round = 0; round < 3; round++) {
      const { code, stderr } = await cairn.run(args('pruned', `${registry.host}/pruned/${name}:${round}`));
      assert.equal(code, 0, stderr);
    }
  };
  const pruning = prune();
  await Promise.all([build('x'), build('y')]).finally(() => (done = true));
  assert.ok((await pruning) > 0);
  check(`${registry.host}/pruned/x:2`, 'pruned');
  const { code, stderr } = await cairn.run(['prune', '--all', '--force']);
  assert.equal(code, 0, stderr);
  assertEmpty();
});

/** No layer, blob or temporary file is in the store. */
function assertEmpty(): void {
  const left = execFileSync('sh', ['-c', 'find blobs snapshots tmp -type f | head'], {
    cwd: cairn.store,
    encoding: 'utf8',
  });
  assert.equal(left, '');
  assert.deepEqual(faultsOf(cairn.store), []);
}

test('Ctrl-C stops the step and leaves a store that builds', async () => {
  const directory = join(cairn.directory, 'slow');
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'Dockerfile'), 'FROM alpine:3.20\nRUN echo started; sleep 4242\n');
  const child = cairn.start(['build', '--progress=plain', directory]);
  let stderr = '';
  const running = new Promise<void>((done) => {
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr += chunk.toString('utf8');
      if (/ started$/m.test(stderr)) done();
    });
  });
  const exited = new Promise<number | null>((done) => child.once('close', (code) => done(code)));
  await Promise.race([running, exited]);
  child.kill('SIGINT');
  assert.equal(await exited, 130, stderr);
  const left = execFileSync('sh', ['-c', "ps -eo args | grep -c '[s]leep 4242' || true"], {
    encoding: 'utf8',
  });
  assert.equal(left.trim(), '0');
  const next = await cairn.run(args('after', `${registry.host}/kill/after:1`));
  assert.equal(next.code, 0, next.stderr);
});
