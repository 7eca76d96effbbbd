/** What a start learns for the next one: V8's code cache of the functions that a build ran. */
import assert from 'node:assert/strict';
import { chmodSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cairnAndRegistry } from './cairn_and_registry.ts';

const { cairn } = await cairnAndRegistry();
/** Threads learn after a second. */
const project = cairn.project({ Dockerfile: 'FROM busybox\nCOPY Dockerfile /\nRUN sleep 2\n' });
const cache = join(cairn.directory, 'cache');
const directory = join(cache, 'cairn/code');

/** Builds, and gives each file that is there then with what tells it from one that was written anew. */
async function learnt(output: string): Promise<Map<string, number>> {
  const { code, stderr } = await cairn.run(['build', '--output', output, project], {
    env: { XDG_CACHE_HOME: cache },
  });
  assert.equal(code, 0, stderr);
  return new Map(readdirSync(directory).map((file) => [file, statSync(join(directory, file)).ino]));
}

test('the first build writes it, and those after it take it', async () => {
  const out = `type=local,dest=${join(cairn.directory, 'out')}`;
  const first = await learnt(out);
  assert.deepEqual(
    [...first.keys()].map((file) => file.replace(/-\d.*/, '')),
    ['main', 'worker-cpu', 'worker-exec'],
  );
  assert.deepEqual(await learnt(out), first);
  cairn.removeStore();
  assert.deepEqual(await learnt(out), first);
});

test('it is not taken where others may have written it', async () => {
  const before = await learnt('type=cacheonly');
  const main = [...before.keys()].find((file) => file.startsWith('main')) ?? '';
  chmodSync(join(directory, main), 0o622);
  const later = await learnt('type=cacheonly');
  assert.notEqual(later.get(main), before.get(main));
  assert.equal(statSync(join(directory, main)).mode & 0o777, 0o600);
});
