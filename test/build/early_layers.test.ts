/** The layers of an image are compressed while later steps run. */
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cairnAndRegistry } from './cairn_and_registry.ts';

const { cairn, registry } = await cairnAndRegistry();

const MIB = 1024 * 1024;

/** Blobs of at least a MiB that are in the store after a build that fails two seconds after its first step. */
async function blobsAfter(seed: string, ...args: string[]): Promise<number> {
  const project = cairn.project({
    Dockerfile: `FROM busybox
RUN : ${seed}; head -c 2000000 /dev/urandom > /layer
RUN sleep 2
RUN false
`,
  });
  const { code } = await cairn.run(['build', ...args, project]);
  assert.equal(code, 1);
  const blobs = join(cairn.store, 'blobs/sha256');
  return readdirSync(blobs).filter((name) => statSync(join(blobs, name)).size > 1.5 * MIB).length;
}

test('a layer has its blob before the last step has run, where an image will want it', async () => {
  const none = await blobsAfter('nothing is exported');
  assert.equal(await blobsAfter('files are exported', '-o', join(cairn.directory, 'out')), none);
  assert.equal(
    await blobsAfter('an image is exported', '--push', '-t', `${registry.host}/early:1`),
    none + 1,
  );
});
