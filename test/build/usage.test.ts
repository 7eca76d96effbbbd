/** `cairn du` and `cairn prune` after builds, as docker buildx shows and removes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cairnAndRegistry } from './cairn_and_registry.ts';

const { cairn } = await cairnAndRegistry();

const run = async (...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await cairn.run(args);
  assert.equal(code, 0, stderr);
  return stdout;
};

/** Three steps that stand on one base image. */
const build = (): Promise<string> => {
  const stages = ['a', 'b', 'c'].map((name) => `FROM busybox AS ${name}\nRUN echo ${name} > /${name}\n`);
  const copies = ['a', 'b', 'c'].map((name) => `COPY --from=${name} /${name} /\n`);
  return run('build', cairn.project({ Dockerfile: `${stages.join('')}FROM scratch\n${copies.join('')}` }));
};

test('a base image counts, however many steps stand on it, and goes when they have gone', async () => {
  await build();
  const before = await run('du');
  assert.doesNotMatch(before, /Shared:/, 'nobody else has a part of this store');
  assert.match(before, /^Total: +\d+\.\d+MB$/m);
  await run('prune', '-f', '--keep-storage=100kB');
  assert.match(await run('du'), /^Total: +[\d.]+k?B$/m, 'the limit holds for the base image, too');
  await build();
  await run('prune', '-f');
  assert.match(await run('du'), /^Total: +0B$/m, 'one pass is enough');
});

test('du --format json has the fields and forms of docker buildx', async () => {
  await build();
  const lines = (await run('du', '--format=json', '--timeout=5s')).trim().split('\n');
  const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  const base = records.find(({ Description }) => String(Description).startsWith('pulled from ')) ?? {};
  assert.match(String(base['CreatedAt']), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? \+0000 UTC$/);
  assert.equal(base['Parents'], null);
  assert.equal(base['Shared'], false);
});
