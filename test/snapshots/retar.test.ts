/**
 * Every layer in the caches that BuildKit exported is unpacked and packed again: the tar must have the diffID that
 * BuildKit's had. Left out are base images, which other tools packed, and estargz, whose tar has a table in it.
 */
import assert from 'node:assert/strict';
import { createReadStream, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, test } from 'node:test';
import { collect } from '../../src/content/verify.ts';
import { decompress } from '../../src/content/compression/decompress.ts';
import type { BlobProvider, Descriptor, Digest } from '../../src/content/contract.ts';
import type { RemoteLayer } from '../../src/snapshots/contract.ts';
import { TarReader } from '../../src/snapshots/tar/reader.ts';
import { openFixture } from './fixture.ts';

const data = resolve(import.meta.dirname, '../conformance');
const caches = join(data, 'caches');
const places = [join(caches, 'blobs/sha256'), join(data, 'base-images/layout/blobs/sha256')];
const baseBlobs = new Set(readdirSync(join(data, 'base-images/layout/blobs/sha256')));

interface CacheFile {
  manifest: { layers?: Descriptor[]; manifests?: Descriptor[] };
  cacheConfig: { layers?: { blob: Digest; parent?: number }[] };
}

const provider: BlobProvider = {
  async *read(blob) {
    const path = places.map((dir) => join(dir, blob.digest.slice(7))).find((file) => existsSync(file));
    assert(path, blob.digest);
    yield* createReadStream(path) as AsyncIterable<Uint8Array>;
  },
};

/** The stack of layers below and including layer `index` of a cache config. */
function stack(file: CacheFile, index: number): RemoteLayer[] | undefined {
  const blobs = new Map((file.manifest.layers ?? file.manifest.manifests ?? []).map((d) => [d.digest, d]));
  const layers: RemoteLayer[] = [];
  for (let i = index; i !== -1;) {
    const layer = file.cacheConfig.layers?.[i];
    const descriptor = layer === undefined ? undefined : blobs.get(layer.blob);
    const diffID = descriptor?.annotations?.['containerd.io/uncompressed'] as Digest | undefined;
    if (layer === undefined || descriptor === undefined || diffID === undefined) return undefined;
    layers.unshift({ descriptor, diffID, provider });
    i = layer.parent ?? 0;
  }
  return layers;
}

async function entryNames(bytes: AsyncIterable<Uint8Array>): Promise<string[]> {
  const names: string[] = [];
  const reader = new TarReader({ entry: (entry) => names.push(entry.name), data() {}, close() {} });
  reader.write(await collect(decompress(bytes), 1 << 30));
  reader.end();
  return names;
}

const fixture = openFixture();
after(() => fixture.close());

test('layers that BuildKit exported give the same diffID when they are unpacked and packed again', async () => {
  const { snapshots, store } = fixture;
  const seen = new Set<string>();
  let equal = 0;
  for (const name of readdirSync(caches)) {
    if (name === 'blobs') continue;
    for (const variant of readdirSync(join(caches, name))) {
      if (!/^cache-.*\.json$/.test(variant) || variant.includes('estargz')) continue;
      const directory = join(caches, name, variant.slice(0, -'.json'.length), 'blobs/sha256');
      if (existsSync(directory)) places.unshift(directory);
      const file = JSON.parse(readFileSync(join(caches, name, variant), 'utf8')) as CacheFile;
      for (const index of (file.cacheConfig.layers ?? []).keys()) {
        const layers = stack(file, index);
        const top = layers?.at(-1);
        const key = layers?.map((layer) => layer.diffID).join() ?? '';
        if (layers === undefined || top === undefined || seen.has(key)) continue;
        seen.add(key);
        if (baseBlobs.has(top.descriptor.digest.slice(7))) continue;
        if (top.descriptor.annotations?.['containerd.io/snapshot/stargz/toc.digest'] !== undefined) continue;
        const snapshot = await snapshots.fromLayers(layers, { description: name });
        const id = snapshot.layers.at(-1)?.id ?? '';
        await snapshots.view(snapshot);
        store.db.prepare('DELETE FROM layer_blob WHERE layer = ?').run(id);
        snapshots.disbelieve(top.descriptor.digest);
        store.db.prepare('UPDATE layer SET diff_id = NULL WHERE id = ?').run(id);
        const remote = await snapshots.remote(snapshot, { type: 'uncompressed' });
        const made = remote?.descriptors.at(-1);
        assert(made);
        if (made.digest === top.diffID) {
          equal++;
          continue;
        }
        // The base images of the data were recompressed for some cases, under other digests.
        if (layers.length === 1) continue;
        // A file that was written again, equal, within one second counts as unchanged once times are whole seconds.
        const below = new Set<string>();
        for (const layer of layers.slice(0, -1)) {
          for (const entry of await entryNames(provider.read(layer.descriptor))) below.add(entry);
        }
        const ours = new Set(await entryNames(fixture.content.read(made)));
        const missing = (await entryNames(provider.read(top.descriptor))).filter((entry) => !ours.has(entry));
        assert(missing.length > 0 && missing.every((entry) => below.has(entry)), `${name} ${top.diffID}`);
      }
    }
  }
  assert(equal > 50, `only ${equal} layers were compared`);
});
