/** Caches of GitHub's service go from cairn to BuildKit and back, and every step is a hit. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { stepsHit, stepsRun, useCairn } from '../build/cairn.ts';
import { startBaseImageRegistry } from '../servers/base_images.ts';
import type { RegistryServer } from '../servers/docker_registry.ts';
import { startGithubCache, type GithubCache } from '../servers/github_cache.ts';
import type { BuildKit } from './buildkit.ts';
import { BUILDKITS } from './programs.ts';
import { EDITED, editProject, STEPS, writeProject } from './project.ts';

const versions = [
  ['1', ['gzip']],
  ['2', ['gzip', 'zstd']],
] as const;
const combinations = BUILDKITS.flatMap((program) =>
  versions.map(([version, compressions]) => ({ ...program, version, compressions })),
);

for (const { name, skip, network, start, version, compressions } of combinations) {
  describe(`gha version ${version} between cairn and the BuildKit of ${name}`, { skip }, () => {
    let registry: RegistryServer;
    let server: GithubCache;
    let daemon: BuildKit;
    before(async () => {
      registry = await startBaseImageRegistry();
      server = await startGithubCache();
      daemon = await start(registry.host);
    });
    after(async () => {
      await daemon.stop();
      await server.stop();
      await registry.stop();
    });
    const entry = (scope: string, more = ''): string =>
      `type=gha,version=${version},${version === '1' ? 'url' : 'url_v2'}=${server.url},token=${server.token()},scope=${scope}${more}`;

    for (const compression of compressions) {
      test(`steps are hits on the way to BuildKit and back, ${compression}`, async () => {
        const scope = randomUUID();
        const first = useCairn(registry.host);
        const last = useCairn(registry.host);
        try {
          const project = join(first.directory, 'project');
          writeProject(project);
          const flags = [project, '--network', network];
          const to = entry(scope, `,mode=max,compression=${compression}`);
          const made = await first.build([...flags, '--cache-to', to]);
          assert.equal(stepsRun(made).length, STEPS.length);

          await daemon.prune();
          const found = await daemon.build(project, { from: [entry(scope)] });
          assert.deepEqual(found, { hit: STEPS, run: [] });

          // BuildKit runs what was edited on top of our layers, and publishes its index as the next number.
          await daemon.prune();
          editProject(project, 'for BuildKit');
          const edited = await daemon.build(project, {
            from: [entry(scope)],
            to: [entry(scope, ',mode=max')],
          });
          assert.deepEqual(edited.run, EDITED);

          const back = await last.build([...flags, '--cache-from', entry(scope)]);
          assert.deepEqual(stepsRun(back), []);
          assert.equal(stepsHit(back).length, STEPS.length);

          // Our next index counts on from BuildKit's.
          editProject(project, 'for cairn');
          const again = await last.build([...flags, '--cache-from', entry(scope), '--cache-to', to]);
          assert.equal(stepsRun(again).length, EDITED.length);
          const numbers = server
            .entries()
            .flatMap(({ key }) => new RegExp(`^index-${scope}-1-f921bd05#(\\d+)$`).exec(key)?.[1] ?? []);
          assert.deepEqual(numbers, ['1', '2', '3']);
          await daemon.prune();
          const third = await daemon.build(project, { from: [entry(scope)] });
          assert.deepEqual(third, { hit: STEPS, run: [] });
        } finally {
          first.remove();
          last.remove();
        }
      });
    }
  });
}
