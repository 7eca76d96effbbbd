/** Kill -9 while layers are unpacked, written and packed: the next process finds a store that works. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ANNOTATION_UNCOMPRESSED, type Digest } from '../../src/content/contract.ts';
import { openFixture } from './fixture.ts';
import { layersFrom } from './kill_layers.ts';

const KILLS = 8;

test('a process that is killed leaves a store in which every layer is whole, and no mount', async () => {
  const source = openFixture();
  const root = mkdtempSync(join(tmpdir(), 'cairn-kill-'));
  try {
    const made = await source.layer(
      await source.layer(undefined, 'mkdir d1 d2; for i in $(seq 2000); do echo $i > d1/f$i; done'),
      'for i in $(seq 2000); do echo $i > d2/f$i; done; rm d1/f1',
    );
    const remote = await source.snapshots.remote(made, { type: 'gzip' });
    const json = JSON.stringify(
      remote?.descriptors.map((descriptor) => ({
        descriptor,
        diffID: descriptor.annotations?.[ANNOTATION_UNCOMPRESSED] as Digest,
      })),
    );
    const blobs = join(source.root, 'store/blobs/sha256');
    for (let i = 0; i < KILLS; i++) {
      const child = spawn(process.execPath, [join(import.meta.dirname, 'kill_child.ts'), root, blobs, json], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout, 'data');
      await new Promise((resolve) => setTimeout(resolve, 40 + i * 90));
      child.kill('SIGKILL');
      await once(child, 'exit');

      const after = openFixture(root);
      const base = await after.snapshots.fromLayers(layersFrom(blobs, json), { description: 'base' });
      const count = await after.shell(await after.snapshots.view(base), 'ls d1 d2 | grep -c ^f');
      assert.equal(count.trim(), '3999');
      for (const { id } of after.snapshots.usage()) {
        const snapshot = after.snapshots.get(id);
        assert(snapshot);
        if (snapshot.layers.length < 3) continue;
        assert.equal(
          (await after.shell(await after.snapshots.view(snapshot), 'ls | grep -c ^n')).trim(),
          '200',
        );
      }
      await after.jobs.close();
      after.store.close();
    }
    // The shell of a killed step may go on for a moment, and write into a directory that is being removed.
    for (let i = 0; i < 100 && readdirSync(join(root, 'store/tmp')).length > 0; i++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      const later = openFixture(root);
      await later.jobs.close();
      later.store.close();
    }
    assert.deepEqual(readdirSync(join(root, 'store/tmp')), []);
    assert.equal(readFileSync('/proc/mounts', 'utf8').includes(root), false);
  } finally {
    await source.close();
    await openFixture(root).close();
  }
});
