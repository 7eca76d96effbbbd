/** Images against what BuildKit v0.32.2 exported for the same Dockerfiles of test/conformance/llb. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import {
  ANNOTATION_CREATED_AT,
  ANNOTATION_UNCOMPRESSED,
  type Descriptor,
  type Digest,
} from '../content/contract.ts';
import { createContentStore } from '../content/store.ts';
import { CairnError } from '../errors/error.ts';
import { parsePlatform } from '../llb/platform.ts';
import type { Snapshot, SnapshotStore } from '../snapshots/contract.ts';
import { openStore } from '../store/open.ts';
import type { ExportContext, ExportInput, ExportRef } from './contract.ts';
import { createExporter } from './create.ts';

const conformance = join(import.meta.dirname, '../../test/conformance');
const root = mkdtempSync(join(tmpdir(), 'cairn-exporters-'));
const store = openStore(root, []);
const content = createContentStore(store);
after(() => {
  store.close();
  rmSync(root, { recursive: true, force: true });
});

interface LayerFacts {
  digest: Digest;
  size: number;
  diffID: Digest;
}

const BUSYBOX: LayerFacts = {
  digest: 'sha256:ac88f32dd7c000759c2be840d0c7e5407dbf9d1ac661f2375e3cfe754ee1bb2f',
  size: 1068658,
  diffID: 'sha256:8556f4edd5fcf6a355d6730de6f9842b693953fc82bf5e78cf024329f0100ccd',
};
const METADATA_LAYERS: LayerFacts[] = [
  BUSYBOX,
  {
    digest: 'sha256:f86e894b8c442397cc231edb01ed02a8dd5cf55b5fe6ac8c94b3fea28db394d1',
    size: 122,
    diffID: 'sha256:bc925b8e4ab620834632330e722d1944968ba0d5d4f9180f95dcc01f64a2de32',
  },
  {
    digest: 'sha256:417e1330bae499a1dd9a471d4aef6a1504258664fd10dab3f4e3385afc5facb8',
    size: 98,
    diffID: 'sha256:d734dab6f01de5ff329a8f797901bc3eac37569902f2cb896686a0d4362b0f89',
  },
  {
    digest: 'sha256:371fd0f7c28fefc3e5a5f5529d25f09a859184c9724f887eb8ea2817fe7a6fd0',
    size: 88,
    diffID: 'sha256:a30423ec4f30e088b42b95e94241ce7c485b1507d6834fcebc7a13d9074f5832',
  },
];
const COPIED: LayerFacts = {
  digest: 'sha256:11be92a15bfe1d32a67173534d33d7135c3f5bc6169961db9894daff8a67e963',
  size: 100,
  diffID: 'sha256:9cdfd920ddb2ba04efab6c799bd97dc6e0d733572a0554bd831bf61452a377c3',
};
const AMD64_LAYERS: LayerFacts[] = [
  BUSYBOX,
  {
    digest: 'sha256:a0b35948dfb0bb3acef2ce607f560eed8d3d3b0712983295850b090ca9555d40',
    size: 127,
    diffID: 'sha256:e5cbadf30a3238d1b14a7ee4ff9c806d566872959da2212fc33887cd13aab9f6',
  },
  COPIED,
];
const ARM64_LAYERS: LayerFacts[] = [
  {
    digest: 'sha256:173dda238ace1905b85ff3e61353a899df4f3044131bc085fe6fe5025312a491',
    size: 326,
    diffID: 'sha256:4f9f8b035d0a1cb452b3885df6412ffac9ae5cdb72f452d148e17ccf09ad0232',
  },
  COPIED,
];

const stacks = new Map<string, LayerFacts[]>();
/** Only what the exporters ask of a snapshot store, over recorded layers. */
const snapshots = {
  remote: (snapshot: Snapshot) => {
    const descriptors = (stacks.get(snapshot.id) ?? []).map(({ digest, size, diffID }): Descriptor => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest,
      size,
      annotations: {
        [ANNOTATION_UNCOMPRESSED]: diffID,
        [ANNOTATION_CREATED_AT]: '2026-11-23T22:00:00.5Z',
        'containerd.io/distribution.source.docker.io': 'library/busybox',
      },
    }));
    return Promise.resolve({ descriptors, provider: content });
  },
} as unknown as SnapshotStore;

const context: ExportContext = {
  signal: new AbortController().signal,
  progress: { log() {}, status() {}, warning() {} },
};

function readJson(...path: string[]): unknown {
  return JSON.parse(readFileSync(join(conformance, ...path), 'utf8'));
}

/** The refs that the frontend gave for a case, with these layers. */
function refsOf(name: string, layers: LayerFacts[][], isMap: boolean): ExportRef[] {
  const { result } = readJson('llb/cases', name, 'expected.json') as {
    result: { platforms: { Platforms: { ID: string }[] }; refs: { imageConfigRaw: string }[] };
  };
  return result.refs.map(({ imageConfigRaw }, i) => {
    const id = result.platforms.Platforms[i]?.ID ?? '';
    const snapshotId = `${name} ${i}`;
    stacks.set(snapshotId, layers[i] ?? []);
    return {
      ...(isMap ? { platformId: id } : {}),
      platform: parsePlatform(id),
      snapshot: { kind: 'snapshot', id: snapshotId, layers: [] },
      imageConfig: imageConfigRaw,
      baseImageConfig: baseConfigOf(layers[i] ?? []),
      sourceDateEpoch: 1700000000,
    };
  });
}

function baseConfigOf(layers: LayerFacts[]): string {
  const { images } = readJson('base-images/images.json') as {
    images: { platforms: { diffIDs: string[]; configDigest: string }[] }[];
  };
  const base = images
    .flatMap(({ platforms }) => platforms)
    .find(({ diffIDs }) => diffIDs.every((diffID, i) => diffID === layers[i]?.diffID));
  const path = `base-images/layout/blobs/${base?.configDigest.replace(':', '/') ?? ''}`;
  return readFileSync(join(conformance, path), 'utf8');
}

async function run(
  type: string,
  attrs: Record<string, string>,
  refs: ExportRef[],
  from = snapshots,
): Promise<Record<string, string>> {
  const exporter = await createExporter({ type, attrs }, 0, {
    content,
    snapshots: from,
    registry: () => Promise.reject(new Error('nothing is pushed here')),
    output: {
      file: () => Promise.reject(new Error('no file')),
      directory: () => Promise.reject(new Error('no directory')),
    },
    jobs: { run: () => Promise.reject(new Error('no jobs')), close: () => Promise.resolve() },
  });
  const input: ExportInput = { refs, buildId: 'test' };
  return exporter.export(input, context);
}

async function text(digest: string | undefined): Promise<string> {
  return Buffer.from(await content.readAll(digest as Digest, 1e6)).toString();
}

test('image exporter writes the manifest and config that BuildKit writes', async () => {
  const refs = refsOf('history-and-metadata', [METADATA_LAYERS], false);
  const response = await run('image', {}, refs);
  assert.equal(
    response['containerimage.config.digest'],
    'sha256:60315d83767262e036cce87c8836b5cbd1aa776799859adc04b676a3c895b362',
    await text(response['containerimage.config.digest']),
  );
  assert.equal(
    response['containerimage.digest'],
    'sha256:e318af92cf392182762a9ba7484300774aaf33f980116f95049798afe549325a',
    await text(response['containerimage.digest']),
  );
  assert.equal(
    Buffer.from(response['containerimage.descriptor'] ?? '', 'base64').toString(),
    '{"mediaType":"application/vnd.oci.image.manifest.v1+json",' +
      '"digest":"sha256:e318af92cf392182762a9ba7484300774aaf33f980116f95049798afe549325a","size":1043,' +
      '"platform":{"architecture":"amd64","os":"linux"}}',
  );
});

test('image exporter writes Docker media types as BuildKit does', async () => {
  const refs = refsOf('history-and-metadata', [METADATA_LAYERS], false);
  const response = await run('image', { 'oci-mediatypes': 'false', name: 'a/b:1,c' }, refs);
  assert.equal(
    response['containerimage.digest'],
    'sha256:0dd31a363758bd0d25f42f965755f82becad28146e7f61c5b3ada29f7833e175',
    await text(response['containerimage.digest']),
  );
  assert.equal(response['image.name'], 'a/b:1,c');
});

test('image exporter writes the index that BuildKit writes for two platforms', async () => {
  const refs = refsOf('multi-platform-two', [AMD64_LAYERS, ARM64_LAYERS], true);
  const response = await run('image', { 'annotation-index.x': 'y' }, refs);
  assert.equal(
    response['containerimage.digest'],
    'sha256:edf8d36ab9d3758858c28598c3ae088a37ba776e97eba75d0e7bc8ff602af05a',
    await text(response['containerimage.digest']),
  );
  assert.equal(response['containerimage.config.digest'], undefined);
});

test('image exporter puts annotations where their names say', async () => {
  const refs = refsOf('multi-platform-two', [AMD64_LAYERS, ARM64_LAYERS], true);
  const attrs = {
    'annotation.all': '1',
    'annotation[linux/amd64].amd': '<2>',
    'annotation-manifest-descriptor[linux/arm64].desc': '3',
    'annotation-index-descriptor.idx': '4',
  };
  const response = await run('image', attrs, refs);
  const index = JSON.parse(await text(response['containerimage.digest'])) as {
    manifests: { digest: string; annotations?: unknown }[];
  };
  const manifests = await Promise.all(index.manifests.map(async ({ digest }) => text(digest)));
  assert.deepEqual(
    manifests.map((manifest) => (JSON.parse(manifest) as { annotations: unknown }).annotations),
    [{ all: '1', amd: '<2>' }, { all: '1' }],
  );
  assert.match(manifests[0] ?? '', /"amd": "\\u003c2\\u003e"/);
  assert.deepEqual(
    index.manifests.map(({ annotations }) => annotations),
    [undefined, { desc: '3' }],
  );
  const descriptor = JSON.parse(
    Buffer.from(response['containerimage.descriptor'] ?? '', 'base64').toString(),
  ) as Descriptor;
  assert.deepEqual(descriptor.annotations, { idx: '4' });
});

test('image exporter puts the inline cache into the config', async () => {
  const [ref] = refsOf('history-and-metadata', [METADATA_LAYERS], false);
  assert.ok(ref);
  const response = await run('image', {}, [{ ...ref, inlineCache: Buffer.from('[{}]') }]);
  const config = JSON.parse(await text(response['containerimage.config.digest'])) as Record<string, unknown>;
  assert.equal(config['moby.buildkit.cache.v0'], Buffer.from('[{}]').toString('base64'));
});

test('image exporter makes up history from what is known of the layers', async () => {
  const [ref] = refsOf('history-and-metadata', [METADATA_LAYERS], false);
  assert.ok(ref?.snapshot);
  const snapshot = (id: string, count: number) => ({
    kind: 'snapshot' as const,
    id,
    layers: Array.from({ length: count }, (_, i) => ({ id: String(i) })),
  });
  const described = {
    ...snapshots,
    get: () => snapshot('base', 3),
    usage: () => [
      { id: 'top', parents: ['base'], description: 'mount / from exec' },
      { id: 'base', parents: [], description: 'pulled from docker.io/library/x' },
    ],
  } as unknown as SnapshotStore;
  stacks.set('top', METADATA_LAYERS);
  const imageConfig = '{"architecture":"amd64","os":"linux","history":[{"created_by":"known"}]}';
  const response = await run('image', {}, [{ ...ref, snapshot: snapshot('top', 4), imageConfig }], described);
  const { history } = JSON.parse(await text(response['containerimage.config.digest'])) as {
    history: { created_by: string }[];
  };
  assert.deepEqual(
    history.map((entry) => entry.created_by),
    ['known', 'pulled from docker.io/library/x', 'pulled from docker.io/library/x', 'mount / from exec'],
  );
});

test('image exporter writes null for the layers of an empty image', async () => {
  const platform = parsePlatform('linux/amd64');
  const imageConfig = '{"architecture":"amd64","os":"linux","rootfs":{}}';
  const response = await run('image', {}, [{ platform, snapshot: undefined, imageConfig }]);
  assert.match(await text(response['containerimage.digest']), /"layers": null/);
  assert.equal(
    await text(response['containerimage.config.digest']),
    '{"architecture":"amd64","created":null,"history":null,"os":"linux","rootfs":{"type":"layers","diff_ids":null}}',
  );
});

test('image exporter passes over what only other platforms and older versions have', async () => {
  const refs = refsOf('history-and-metadata', [METADATA_LAYERS], false);
  const attrs = { 'annotation[linux/s390x].a': 'b', buildinfo: 'true', 'buildinfo-attrs': 'true' };
  assert.deepEqual(await run('image', attrs, refs), await run('image', {}, refs));
});

for (const [type, attrs, message] of [
  ['image', { compresion: 'zstd' }, /unknown attribute "compresion" of the image exporter/],
  ['image', { compression: 'lz4' }, /unsupported compression type lz4/],
  ['image', { compression: 'gzip', 'compression-level': '12' }, /compression level 12/],
  ['image', { 'compression-level': 'x' }, /non-integer value "x" specified for compression-level/],
  ['image', { push: 'maybe' }, /non-bool value "maybe" specified for push/],
  ['image', { compression: 'estargz', 'oci-mediatypes': 'false' }, /conflicts with "oci-mediatypes=false"/],
  ['image', { 'annotation-index.a': 'b' }, /index annotations not supported for single platform export/],
  ['image', { 'annotation-layer.a': 'b' }, /unrecognized annotation type layer/],
  ['image', { 'source-date-epoch': 'now' }, /invalid source-date-epoch "now"/],
  ['local', { mode: 'move' }, /invalid local exporter mode "move"/],
  ['cacheonly', { dest: 'x' }, /unknown attribute "dest" of the cacheonly exporter/],
  ['ocii', {}, /exporter "ocii" could not be found/],
] as const) {
  test(`createExporter refuses ${type} with ${JSON.stringify(attrs)}`, async () => {
    const refs = refsOf('history-and-metadata', [METADATA_LAYERS], false);
    await assert.rejects(
      run(type, attrs, refs),
      (error: unknown) =>
        error instanceof CairnError && error.code === 'USAGE' && message.test(error.message),
    );
  });
}

test('docker exporter refuses several platforms', async () => {
  const refs = refsOf('multi-platform-two', [AMD64_LAYERS, ARM64_LAYERS], true);
  await assert.rejects(
    run('docker', {}, refs),
    /docker exporter does not currently support exporting manifest lists/,
  );
});
