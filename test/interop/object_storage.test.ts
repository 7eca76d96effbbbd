/** Caches in object storage go from cairn to BuildKit and back, and every step is a hit. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { stepsHit, stepsRun, useCairn } from '../build/cairn.ts';
import { AZURITE, S3RVER, type ObjectStorage } from '../cache/object_storage.ts';
import { startBaseImageRegistry } from '../servers/base_images.ts';
import type { RegistryServer } from '../servers/docker_registry.ts';
import type { BuildKit } from './buildkit.ts';
import { BUILDKITD } from './buildkitd.ts';
import { EDITED, editProject, STEPS, writeProject } from './project.ts';

for (const { type, skip: missing, start } of [S3RVER, AZURITE]) {
  // dockerd's BuildKit knows neither of the two.
  const skip = BUILDKITD.skip === false ? missing : BUILDKITD.skip;
  describe(`${type} between cairn and BuildKit`, { skip }, () => {
    let registry: RegistryServer;
    let storage: ObjectStorage;
    let buildkitd: BuildKit;
    before(async () => {
      registry = await startBaseImageRegistry();
      storage = await start();
      buildkitd = await BUILDKITD.start(registry.host);
    });
    after(async () => {
      await buildkitd.stop();
      await registry.stop();
      await storage.stop();
    });
    const entry = (name: string, more: Record<string, string> = {}): string =>
      Object.entries({ type, ...storage.attrs(storage.host), name, ...more })
        .map(([key, value]) => `${key}=${value}`)
        .join(',');

    for (const compression of ['gzip', 'zstd', 'estargz', 'uncompressed']) {
      test(`steps are hits on the way to BuildKit and back, ${compression}`, async () => {
        const [ours, theirs] = [randomUUID(), randomUUID()];
        const first = useCairn(registry.host);
        const last = useCairn(registry.host);
        try {
          const project = join(first.directory, 'project');
          writeProject(project);
          const made = await first.build([project, '--cache-to', entry(ours, { mode: 'max', compression })]);
          assert.equal(stepsRun(made).length, STEPS.length);

          await buildkitd.prune();
          const found = await buildkitd.build(project, { from: [entry(ours)] });
          assert.deepEqual(found, { hit: STEPS, run: [] });

          // What runs after an edit does so on top of layers that the other has packed.
          await buildkitd.prune();
          editProject(project, 'for BuildKit');
          const to = [entry(theirs, { mode: 'max' })];
          const edited = await buildkitd.build(project, { from: [entry(ours)], to });
          assert.deepEqual(edited.run, EDITED);

          const back = await last.build([project, '--cache-from', entry(theirs)]);
          assert.deepEqual(stepsRun(back), []);
          assert.equal(stepsHit(back).length, STEPS.length);

          editProject(project, 'for cairn');
          const out = join(last.directory, 'out');
          const output = ['--output', `type=local,dest=${out}`];
          const again = await last.build([project, '--cache-from', entry(theirs), ...output]);
          assert.equal(stepsRun(again).length, EDITED.length);
          const result = readFileSync(join(out, 'result'), 'utf8');
          assert.equal(result, 'src/a.txt\nsrc/b.txt\nlink.txt\nfor cairn\n');
        } finally {
          first.remove();
          last.remove();
        }
      });
    }
  });
}
