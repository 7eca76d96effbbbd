/** Image exporters against a real registry server, read back by skopeo. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  createWriteStream,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ANNOTATION_UNCOMPRESSED, type Descriptor } from '../../src/content/contract.ts';
import { writeLayer } from '../../src/content/compression/layer.ts';
import { digestOf } from '../../src/content/digest.ts';
import { withOrigin } from '../../src/content/origin.ts';
import { createContentStore, type LeasingContentStore } from '../../src/content/store.ts';
import { CairnError } from '../../src/errors/error.ts';
import type { ExportRef } from '../../src/exporters/contract.ts';
import { createExporter } from '../../src/exporters/create.ts';
import { parsePlatform } from '../../src/llb/platform.ts';
import { createRegistryClient } from '../../src/registry/client.ts';
import type { SnapshotStore } from '../../src/snapshots/contract.ts';
import type { Store } from '../../src/store/contract.ts';
import { openStore } from '../../src/store/open.ts';
import { startDockerRegistry, type RegistryServer } from '../servers/docker_registry.ts';

const missing = ['docker-registry', 'skopeo'].find(
  (program) => spawnSync(program, ['--version']).error !== undefined,
);
const skip = missing === undefined ? false : `${missing} is not installed`;

const root = mkdtempSync(join(tmpdir(), 'cairn-push-'));
let store: Store;
let content: LeasingContentStore;
let server: RegistryServer;
const layers: Descriptor[] = [];

before(async () => {
  if (missing !== undefined) return;
  store = openStore(join(root, 'store'), []);
  content = createContentStore(store);
  server = await startDockerRegistry();
  for (const type of ['gzip', 'zstd', 'uncompressed'] as const) {
    const { descriptor } = await writeLayer(content, tarOf(`from-${type}`, `a file in ${type}\n`), { type });
    layers.push(descriptor);
  }
});
after(async () => {
  if (missing === undefined) {
    store.close();
    await server.stop();
  }
  rmSync(root, { recursive: true, force: true });
});

async function* tarOf(name: string, text: string): AsyncGenerator<Uint8Array> {
  const dir = mkdtempSync(join(root, 'files-'));
  writeFileSync(join(dir, name), text);
  yield await Promise.resolve(execFileSync('tar', ['-c', '-C', dir, name]));
}

const imageConfig = JSON.stringify({
  architecture: 'amd64',
  os: 'linux',
  config: { Cmd: ['/x'] },
  rootfs: {},
});

function ref(snapshotLayers: Descriptor[]): ExportRef {
  layersOf = snapshotLayers;
  return {
    platform: parsePlatform('linux/amd64'),
    snapshot: { kind: 'snapshot', id: 'x', layers: [] },
    imageConfig,
    sourceDateEpoch: 1700000000,
  };
}
let layersOf: Descriptor[] = [];
const snapshots = {
  // Nothing is known of what made the layers.
  usage: () => [],
  remote: () => Promise.resolve({ descriptors: layersOf, provider: content }),
} as unknown as SnapshotStore;

interface Outcome {
  response: Record<string, string>;
  statuses: string[];
}

async function run(
  type: string,
  attrs: Record<string, string>,
  refs: ExportRef[],
  output = '',
): Promise<Outcome> {
  const registry = createRegistryClient({ credentials: { credentials: () => Promise.resolve(undefined) } });
  const statuses: string[] = [];
  try {
    const exporter = await createExporter({ type, attrs }, 0, {
      content,
      snapshots,
      registry: () => Promise.resolve(registry),
      output: {
        file: () => Promise.resolve(createWriteStream(output)),
        directory: () => {
          mkdirSync(output, { recursive: true });
          return Promise.resolve(output);
        },
      },
      jobs: { run: () => Promise.reject(new Error('no jobs')), close: () => Promise.resolve() },
    });
    const response = await exporter.export(
      { refs, buildId: 'test' },
      {
        signal: new AbortController().signal,
        progress: {
          log() {},
          warning() {},
          status: ({ id, completed }) => {
            if (completed !== undefined) statuses.push(id);
          },
        },
      },
    );
    return { response, statuses };
  } finally {
    registry.close();
  }
}

function skopeo(...args: string[]): string {
  return execFileSync('skopeo', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

function writes(): number {
  return server
    .log()
    .split('\n')
    .filter((line) => /"(PUT|POST|PATCH) /.test(line)).length;
}

test('registry exporter pushes every name, and nothing at all the second time', { skip }, async () => {
  const name = `${server.host}/app/one:1,${server.host}/app/two`;
  const { response, statuses } = await run('registry', { name, 'registry.insecure': 'true' }, [ref(layers)]);
  const digest = response['containerimage.digest'] ?? '';
  assert.equal(response['image.name'], name);
  assert.ok(statuses.includes('exporting layers'));
  assert.ok(statuses.includes(`exporting manifest ${digest}`));
  assert.ok(statuses.includes('pushing layers'));
  assert.ok(statuses.includes(`pushing manifest for ${server.host}/app/two:latest@${digest}`));
  for (const tag of ['app/one:1', 'app/two:latest']) {
    const raw = skopeo('inspect', '--tls-verify=false', '--raw', `docker://${server.host}/${tag}`);
    assert.equal(JSON.parse(raw).layers.length, layers.length);
    skopeo('copy', '--src-tls-verify=false', `docker://${server.host}/${tag}`, `dir:${join(root, 'copy')}`);
  }
  const before = writes();
  assert.ok(before > 0);
  await run('registry', { name, 'registry.insecure': 'true' }, [ref(layers)]);
  assert.equal(writes(), before);
});

test('image exporter pushes by digest without making a tag', { skip }, async () => {
  const attrs = { push: 'true', 'push-by-digest': 'true', name: `${server.host}/by/digest` };
  const { response } = await run('image', attrs, [ref(layers.slice(0, 1))]);
  const digest = response['containerimage.digest'] ?? '';
  const pushed = `docker://${server.host}/by/digest@${digest}`;
  const raw = skopeo('inspect', '--tls-verify=false', '--raw', pushed);
  assert.equal(digestOf(raw), digest);
  assert.throws(() => skopeo('list-tags', '--tls-verify=false', `docker://${server.host}/by/digest`));
  await assert.rejects(
    run('image', { ...attrs, name: `${server.host}/by/digest:tag` }, [ref(layers)]),
    /can't push tagged ref .*\/by\/digest:tag by digest/,
  );
});

test('image exporter mounts layers from the repository that they came from', { skip }, async () => {
  const { descriptor } = await writeLayer(content, tarOf('mounted', 'x'), { type: 'gzip' });
  const name = (repository: string) => ({ push: 'true', name: `${server.host}/${repository}:1` });
  await run('image', name('origin/app'), [ref([descriptor])]);
  const before = server.log().length;
  const origin = { host: server.host, repository: 'origin/app' };
  // Its bytes are gone here: only a mount can bring the layer over.
  content.delete(descriptor.digest);
  await run('image', name('target/app'), [ref([withOrigin(descriptor, origin)])]);
  assert.match(server.log().slice(before), /POST \/v2\/target\/app\/blobs\/uploads\/\?\S*from=origin%2Fapp/);
  const raw = skopeo('inspect', '--tls-verify=false', '--raw', `docker://${server.host}/target/app:1`);
  assert.equal(JSON.parse(raw).layers[0].annotations, undefined);
});

test('image exporter pushes an index after its manifests', { skip }, async () => {
  const platforms = ['linux/amd64', 'linux/arm64'];
  const refs = platforms.map((id) => ({ ...ref(layers), platformId: id, platform: parsePlatform(id) }));
  const { response } = await run('registry', { name: `${server.host}/multi/app:1` }, refs);
  const index = JSON.parse(
    skopeo('inspect', '--tls-verify=false', '--raw', `docker://${server.host}/multi/app:1`),
  );
  assert.deepEqual(
    index.manifests.map(({ platform }: { platform: unknown }) => platform),
    [
      { architecture: 'amd64', os: 'linux' },
      { architecture: 'arm64', os: 'linux' },
    ],
  );
  skopeo(
    'copy',
    '--all',
    '--src-tls-verify=false',
    `docker://${server.host}/multi/app@${response['containerimage.digest'] ?? ''}`,
    `dir:${join(root, 'multi')}`,
  );
});

test('image exporter names the image in the error of a failed push', { skip }, async () => {
  const lost = { ...layers[0], digest: `sha256:${'0'.repeat(64)}` } as Descriptor;
  await assert.rejects(
    run('registry', { name: `${server.host}/lost/app:1` }, [ref([lost])]),
    (error: unknown) =>
      error instanceof CairnError &&
      error.message.startsWith(`failed to push ${server.host}/lost/app:1: `) &&
      error.message.includes(lost.digest),
  );
  await assert.rejects(
    run('registry', { name: '127.0.0.1:1/refused/app:1' }, [ref(layers)]),
    (error: unknown) => error instanceof CairnError && error.code === 'UNAVAILABLE',
  );
});

test('oci and docker exporters write archives that skopeo reads, equal each time', { skip }, async () => {
  for (const [type, transport] of [
    ['oci', 'oci-archive'],
    ['docker', 'docker-archive'],
  ] as const) {
    const files = [join(root, `${type}-1.tar`), join(root, `${type}-2.tar`)];
    const gzipped = layers.slice(0, 1);
    for (const file of files) await run(type, { name: 'a/b:1' }, [ref(gzipped)], file);
    const [first, second] = files.map((file) => readFileSync(file));
    assert.ok(first !== undefined && second !== undefined && first.equals(second));
    const config = JSON.parse(skopeo('inspect', '--config', `${transport}:${files[0] ?? ''}`));
    assert.deepEqual(config.rootfs.diff_ids, [gzipped[0]?.annotations?.[ANNOTATION_UNCOMPRESSED]]);
    if (type === 'docker') {
      const manifest = execFileSync('tar', ['-xOf', files[0] ?? '', 'manifest.json'], { encoding: 'utf8' });
      assert.deepEqual(JSON.parse(manifest)[0].RepoTags, ['a/b:1']);
    }
  }
});

test('oci exporter with tar=false adds images to a layout directory', { skip }, async () => {
  const directory = join(root, 'layout');
  await run('oci', { tar: 'false', name: 'a/b:1' }, [ref(layers)], directory);
  await run('oci', { tar: 'false', name: 'a/b:2' }, [ref(layers.slice(0, 1))], directory);
  await run('oci', { tar: 'false', name: 'a/b:1' }, [ref(layers.slice(0, 2))], directory);
  const names = JSON.parse(readFileSync(join(directory, 'index.json'), 'utf8')).manifests.map(
    ({ annotations }: Descriptor) => annotations?.['io.containerd.image.name'],
  );
  assert.deepEqual(names, ['docker.io/a/b:2', 'docker.io/a/b:1']);
  assert.equal(JSON.parse(skopeo('inspect', '--raw', `oci:${directory}:1`)).layers.length, 2);
  assert.equal(JSON.parse(skopeo('inspect', '--raw', `oci:${directory}:2`)).layers.length, 1);
  assert.deepEqual(readdirSync(directory).sort(), ['blobs', 'index.json', 'oci-layout']);
});
