/** `--cache-to` as a whole: what fails, what is kept of a failed build, and several writers of one cache. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { publishCache } from '../../src/cache/backends/publish.ts';
import { startBaseImageRegistry } from '../servers/base_images.ts';
import type { RegistryServer } from '../servers/docker_registry.ts';
import { startFaultProxy, type Fault, type FaultProxy } from '../servers/fault_proxy.ts';
import { buildImage, DOCKERFILE } from './build.ts';
import { cacheOf, opener } from './contract.ts';

describe('exports of caches', () => {
  let registry: RegistryServer;
  let proxy: FaultProxy;
  let directory: string;
  let places = 0;

  before(async () => {
    registry = await startBaseImageRegistry();
    proxy = await startFaultProxy(registry.host);
    directory = mkdtempSync(join(tmpdir(), 'cairn-exports-'));
  });
  after(async () => {
    await proxy.stop();
    await registry.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const build = (options: Parameters<typeof buildImage>[1]) =>
    buildImage(registry.host, { ...options, flags: { output: ['type=cacheonly'], ...options?.flags } });
  const local = (): { to: string; from: string; path: string } => {
    const path = join(directory, String(places++));
    return { path, to: `type=local,dest=${path},mode=max`, from: `type=local,src=${path}` };
  };

  const faults: [string, Fault][] = [
    ['is out of reach', { kind: 'refuse' }],
    ['refuses', { kind: 'answer', status: 403, body: '{}' }],
    ['fails', { kind: 'answer', status: 500 }],
    ['never answers', { kind: 'hang' }],
  ];
  for (const [what, fault] of faults) {
    test(`a registry that ${what} costs a warning`, async () => {
      proxy.fault = () => fault;
      const entry = `type=registry,ref=${proxy.host}/failing:cache,timeout=2s`;
      try {
        const built = await build({ to: [entry] });
        assert.equal(built.error, undefined);
        assert.equal(built.warnings.length, 1, built.warnings.join('\n'));
        assert.match(built.warnings[0] ?? '', /^cache registry:.*\/failing:cache was not exported: ./);
        const strict = await build({ to: [`${entry},ignore-error=false`] });
        assert.ok(strict.error !== undefined);
      } finally {
        proxy.fault = undefined;
      }
    });
  }

  test('a cache in a registry that is named by a digest and not there costs a warning', async () => {
    const ref = `${registry.host}/library/busybox@sha256:${'0'.repeat(64)}`;
    const built = await build({ from: [`type=registry,ref=${ref}`] });
    assert.deepEqual([built.error, built.hit, built.warnings.length], [undefined, [], 1]);
    assert.ok(built.warnings[0]?.startsWith(`cache registry:${ref} cannot be imported: `), built.warnings[0]);
  });

  test('one export that fails does not keep another from its place', async () => {
    proxy.fault = () => ({ kind: 'answer', status: 403, body: '{}' });
    const { to, from } = local();
    try {
      const built = await build({ to: [`type=registry,ref=${proxy.host}/failing:cache`, to] });
      assert.equal(built.error, undefined);
    } finally {
      proxy.fault = undefined;
    }
    assert.deepEqual((await build({ from: [from] })).ran, []);
  });

  test('two exports to one place are refused', async () => {
    const entry = `type=registry,ref=${registry.host}/twice`;
    const built = await build({ to: [entry, `${entry},mode=max`] });
    assert.match(built.error ?? '', /duplicate cache exports \[registry\]/);
  });

  test('min and max of one build hold what each holds alone', async () => {
    const configOf = (path: string): string[] => {
      const index = JSON.parse(readFileSync(join(path, 'index.json'), 'utf8')) as {
        manifests: { digest: string }[];
      };
      const blob = (digest: string): unknown =>
        JSON.parse(readFileSync(join(path, 'blobs', digest.replace(':', '/')), 'utf8'));
      const manifest = blob(index.manifests[0]?.digest ?? '') as { config: { digest: string } };
      const { records } = blob(manifest.config.digest) as { records: { digest: string; layers?: unknown }[] };
      return records.map(({ digest, layers }) => `${digest} ${layers !== undefined}`).toSorted();
    };
    const multistage = `FROM busybox AS one\nRUN echo 1 > /1\nFROM busybox\nCOPY --from=one /1 /2\n`;
    const [max, min, alone] = [local(), local(), local()];
    await build({ dockerfile: multistage, to: [max.to, min.to.replace('max', 'min')] });
    await build({ dockerfile: multistage, to: [alone.to.replace('max', 'min')] });
    assert.deepEqual(configOf(min.path), configOf(alone.path));
    assert.notDeepEqual(configOf(max.path), configOf(min.path));
  });

  test('a failed build leaves what it finished under on-failure=true', async () => {
    const { to, from } = local();
    const failing = `${DOCKERFILE}RUN exit 7\n`;
    const failed = await build({ dockerfile: failing, to: [`${to},on-failure=true`] });
    assert.match(failed.error ?? '', /exit code: 7/);
    const fixed = await build({ dockerfile: failing.replace('exit 7', 'exit 0'), from: [from] });
    assert.deepEqual(fixed.ran, ['[6/6] RUN exit 0']);
  });

  test('a failed build leaves nothing otherwise', async () => {
    const { to, path } = local();
    const failed = await build({ dockerfile: `${DOCKERFILE}RUN exit 7\n`, to: [to] });
    assert.ok(failed.error !== undefined);
    assert.throws(() => readdirSync(path));
  });

  test('the response names the manifest', async () => {
    const { to } = local();
    const { metadata } = await build({ to: [to] });
    const manifest = JSON.parse(metadata['cache.manifest'] ?? '{}') as Record<string, unknown>;
    assert.equal(manifest['mediaType'], 'application/vnd.oci.image.manifest.v1+json');
    assert.match(String(manifest['digest']), /^sha256:/);
  });

  test('a config that BuildKit could not read is exported with a warning, and imported', async () => {
    const { path } = local();
    const opened = opener();
    const cache = cacheOf('large', [Buffer.from('layer')]);
    for (let index = 0; index < 15_000; index++)
      cache.config.records?.push({ digest: `sha256:${String(index).padStart(64, '0')}` });
    const { entry, backend } = await opened.open('local', 'to', { dest: path });
    const { signal } = new AbortController();
    const warnings: string[] = [];
    await publishCache(cache, {
      entry,
      backend,
      signal,
      progress: { log() {}, status() {}, warning() {} },
      warn: (message) => void warnings.push(message),
    });
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', /BuildKit reads at most 1048576/);
    const importing = await opened.open('local', 'from', { src: path });
    const found = await importing.backend.resolve('latest', signal);
    assert.equal(found?.config.records?.length, 15_002);
    opened.close();
  });

  test('platforms that are built apart are found together under merge=true', async () => {
    const { to, from } = local();
    const dockerfile = 'FROM multi\nCOPY a /a\n';
    for (const platform of ['linux/amd64', 'linux/arm64']) {
      const built = await build({
        dockerfile,
        to: [`${to},merge=true`],
        flags: { platform: [platform] },
      });
      assert.equal(built.error, undefined);
      assert.equal(built.ran.length, 1);
    }
    const both = await build({
      dockerfile,
      from: [from],
      flags: { platform: ['linux/amd64,linux/arm64'] },
    });
    assert.equal(both.error, undefined);
    assert.deepEqual(both.ran, []);
    assert.equal(both.hit.length, 2);
  });

  test('merge=true replaces what is damaged', async () => {
    const { to, from, path } = local();
    await build({ to: [to] });
    const index = JSON.parse(readFileSync(join(path, 'index.json'), 'utf8')) as {
      manifests: { digest: string }[];
    };
    const { digest = '' } = index.manifests[0] ?? {};
    writeFileSync(join(path, 'blobs', digest.replace(':', '/')), 'damaged');
    const built = await build({ to: [`${to},merge=true`] });
    assert.equal(built.error, undefined);
    assert.match(built.warnings.join(), /is damaged and is replaced/);
    assert.deepEqual((await build({ from: [from] })).ran, []);
  });

  test('builds that write one directory at once, with reset=true, all leave a cache', async () => {
    const path = join(directory, 'shared');
    const tags = ['a', 'b', 'c'];
    await Promise.all(
      tags.map((tag) =>
        build({
          dockerfile: `FROM busybox\nRUN echo ${tag} > /tag\n`,
          to: [`type=local,dest=${path},tag=${tag},reset=true,mode=max`],
        }),
      ),
    );
    for (const tag of tags) {
      const built = await build({
        dockerfile: `FROM busybox\nRUN echo ${tag} > /tag\n`,
        from: [`type=local,src=${path},tag=${tag}`],
        flags: { output: [`type=oci,dest=${join(directory, 'image.tar')}`] },
      });
      assert.deepEqual(built.ran, []);
      assert.deepEqual(built.warnings, []);
    }
  });

  test('reset=true removes the blobs of what was replaced', async () => {
    const { to, path } = local();
    const blobs = (): number => readdirSync(join(path, 'blobs/sha256')).length;
    await build({ dockerfile: 'FROM busybox\nRUN echo one > /1\nRUN echo more > /2\n', to: [to] });
    const before = blobs();
    await build({ dockerfile: 'FROM busybox\nRUN echo two > /1\n', to: [to] });
    assert.ok(blobs() > before);
    await build({ dockerfile: 'FROM busybox\nRUN echo three > /1\n', to: [`${to},reset=true`] });
    // Manifest, config, the image's layer and the step's.
    assert.equal(blobs(), 4);
  });
});
