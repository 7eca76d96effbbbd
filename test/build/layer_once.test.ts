/** A layer whose files no later step needs is written once: as its blob. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { stepsHit, stepsRun } from './cairn.ts';
import { cairnAndRegistry } from './cairn_and_registry.ts';

const { cairn, registry } = await cairnAndRegistry();

const MIB = 1024 * 1024;
const SIZE = 4 * MIB;
const content = randomBytes(SIZE);

let project: string;
let built = 0;

before(async () => {
  project = cairn.project({ small: 'small', big: '' });
  writeFileSync(join(project, 'big'), content);
  writeFileSync(join(project, 'huge'), Buffer.alloc(64 * MIB, 'content '));
  // The base is unpacked for every copy into it: not what is measured.
  await build('COPY small /small');
});

async function build(steps: string, args = ['--push', '-t', `${registry.host}/once:${built++}`]) {
  writeFileSync(join(project, 'Dockerfile'), `FROM busybox AS stage\n${steps}\n`);
  return cairn.build([...args, project]);
}

/** Bytes that a build adds to the directories of layers. */
async function gained(work: () => Promise<unknown>): Promise<number> {
  const used = () =>
    Number(execFileSync('du', ['-sb', join(cairn.store, 'snapshots')], { encoding: 'utf8' }).split('\t')[0]);
  const before = used();
  await work();
  return used() - before;
}

test('the last copies of an image make no directory when it is pushed', async () => {
  for (const steps of [
    'COPY huge /huge',
    'COPY big /big',
    'COPY --link big /linked',
    'COPY --link small /s\nCOPY --link --chmod=600 big /etc/big',
    'WORKDIR /w\nCOPY --link . .',
  ]) {
    assert.ok((await gained(() => build(steps))) < MIB, steps);
  }
  const oci = join(cairn.directory, 'image.tar');
  assert.ok((await gained(() => build('COPY big /oci', ['-o', `type=oci,dest=${oci}`]))) < MIB);
  const cache = `type=local,dest=${join(cairn.directory, 'cache')}`;
  assert.ok(
    (await gained(() => build('COPY big /cached', ['-o', 'type=cacheonly', '--cache-to', cache]))) < MIB,
  );
});

test('a copy whose files are exported or read makes them', async () => {
  const local = join(cairn.directory, 'local');
  assert.ok((await gained(() => build('COPY big /local', ['-o', `type=local,dest=${local}`]))) > SIZE);
  assert.ok((await gained(() => build('COPY big /read\nRUN test -f /read'))) > SIZE);
  assert.ok((await gained(() => build('COPY --link big /reread\nRUN test -f /reread'))) > SIZE);
  assert.ok(
    (await gained(() => build('COPY big /from\nFROM busybox\nCOPY --from=stage /from /to'))) < SIZE + MIB,
  );
});

test('a later build finds such a layer, and unpacks it where it needs its files', async () => {
  await build('COPY big /later');
  const digest = createHash('sha256').update(content).digest('hex');
  let steps;
  const bytes = await gained(
    async () => (steps = await build(`COPY big /later\nRUN echo "${digest}  /later" | sha256sum -c`)),
  );
  assert.ok(bytes > SIZE);
  assert.ok(steps);
  assert.equal(stepsRun(steps).length, 1);
  assert.equal(stepsHit(steps).length, 1);
});

test('du counts a layer that is a blob only, and prune deletes it', async () => {
  const prune = async () => assert.equal((await cairn.run(['prune', '--all', '--force'])).code, 0);
  const rows = async () =>
    (await cairn.run(['du'])).stdout.split('\n').filter((row) => / 4\.\d+MB /.test(row));
  await prune();
  assert.equal((await rows()).length, 0);
  assert.ok((await gained(() => build('COPY --link big /counted'))) < MIB);
  assert.equal((await rows()).length, 1);
  await prune();
  assert.equal((await rows()).length, 0);
  const left = execFileSync('du', ['-sb', cairn.store], { encoding: 'utf8' });
  assert.ok(Number.parseInt(left) < 3 * MIB, left);
});
