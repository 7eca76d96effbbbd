/** What a build that is found whole in a cache transfers. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startBaseImageRegistry } from '../servers/base_images.ts';
import { startDockerRegistry, type RegistryServer } from '../servers/docker_registry.ts';
import { startFaultProxy, type FaultProxy } from '../servers/fault_proxy.ts';
import { buildImage } from './build.ts';

/** `--push` as `name`, with nothing rewritten. */
const pushing = (name: string) => ({ output: [], push: true as const, tag: [name] });

describe('a build that a registry cache has whole', () => {
  let images: RegistryServer;
  let server: RegistryServer;
  /** Counts what goes to `server`. */
  let proxy: FaultProxy;
  let cache: string;

  before(async () => {
    images = await startBaseImageRegistry();
    server = await startDockerRegistry();
    proxy = await startFaultProxy(server.host);
    cache = `type=registry,ref=${proxy.host}/app:cache`;
    const first = await buildImage(images.host, { to: [`${cache},mode=max`] });
    assert.equal(first.error, undefined);
  });
  after(async () => {
    await proxy.stop();
    await server.stop();
    await images.stop();
  });

  /** Requests since the last call. */
  const requests = (): string[] => proxy.requests.splice(0).map(({ method, url }) => `${method} ${url}`);
  const layersIn = (list: string[], method: string): string[] =>
    list.filter((each) => each.startsWith(`${method} `) && /\/blobs\/sha256:/.test(each));

  test('is pushed to another repository by mounts alone', async () => {
    requests();
    const built = await buildImage(images.host, {
      from: [cache],
      flags: pushing(`${proxy.host}/elsewhere:latest`),
    });
    assert.equal(built.error, undefined);
    assert.deepEqual(built.ran, []);
    const seen = requests();
    // The one blob that is read is the cache's config.
    assert.equal(layersIn(seen, 'GET').length, 1, seen.join('\n'));
    const mounts = seen.filter((each) => /^POST .*[?&]mount=/.test(each));
    assert.equal(mounts.length, 5, seen.join('\n'));
    // The one blob that is uploaded is the image's config.
    assert.equal(
      seen.filter((each) => each.startsWith('PUT ') && each.includes('/blobs/uploads/')).length,
      1,
    );
  });

  test('is pushed and exported again without a layer read or written', async () => {
    const flags = pushing(`${proxy.host}/app:latest`);
    await buildImage(images.host, { from: [cache], flags });
    requests();
    const built = await buildImage(images.host, { from: [cache], to: [`${cache},mode=max`], flags });
    assert.equal(built.error, undefined);
    assert.deepEqual(built.ran, []);
    const seen = requests();
    assert.equal(layersIn(seen, 'GET').length, 1, seen.join('\n'));
    assert.deepEqual(
      seen.filter((each) => !each.startsWith('GET ') && !each.startsWith('HEAD ')),
      [],
    );
    // Import: manifest and config. Export: is the manifest the same? Push: is the manifest the same?
    assert.equal(seen.length, 4, seen.join('\n'));
  });

  test('is exported to another registry cache without a layer read', async () => {
    requests();
    const other = `type=registry,ref=${proxy.host}/other:cache,mode=max`;
    const built = await buildImage(images.host, {
      from: [cache],
      to: [other],
      flags: { output: ['type=cacheonly'] },
    });
    assert.equal(built.error, undefined);
    const seen = requests();
    assert.equal(layersIn(seen, 'GET').length, 1, seen.join('\n'));
    assert.equal(seen.filter((each) => /^POST .*[?&]mount=/.test(each)).length, 5, seen.join('\n'));
  });

  test('needs no cache when the store has it', async () => {
    const { mkdtempSync, rmSync } = await import('node:fs');
    const store = mkdtempSync('/tmp/cairn-lazy-');
    try {
      await buildImage(images.host, { from: [cache], store });
      proxy.fault = () => ({ kind: 'hang' });
      const built = await buildImage(images.host, { from: [cache], store });
      assert.equal(built.error, undefined);
      assert.deepEqual(built.ran, []);
      assert.deepEqual(built.warnings, []);
    } finally {
      proxy.fault = undefined;
      rmSync(store, { recursive: true, force: true });
    }
  });
});
