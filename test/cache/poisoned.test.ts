/**
 * Caches whose blobs have the right digests and are not the layers that their records say: what they touch is built,
 * and later builds on the same store are none the wiser.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { Digest } from '../../src/content/contract.ts';
import { digestOf } from '../../src/content/digest.ts';
import { TarWriter } from '../../src/snapshots/tar/writer.ts';
import { startBaseImageRegistry } from '../servers/base_images.ts';
import type { RegistryServer } from '../servers/docker_registry.ts';
import { buildImage, DOCKERFILE, type BuildOptions, type Built } from './build.ts';

interface Blob {
  digest: string;
  size: number;
  annotations: Record<string, string>;
}
interface Manifest {
  layers: Blob[];
  config: Blob;
}

const UNCOMPRESSED = 'containerd.io/uncompressed';

/** How an image may be written, and what is said for it. */
const OUTPUTS = {
  rewritten: ',rewrite-timestamp=true',
  'as it is': '',
  recompressed: ',compression=zstd,force-compression=true',
};
type Output = keyof typeof OUTPUTS;

/** A layer of one file. */
function tarOf(name: string, text: string): Buffer {
  const chunks: Uint8Array[] = [];
  const writer = new TarWriter((chunk) => chunks.push(Buffer.from(chunk)));
  const numbers = { mode: 0o644, uid: 0, gid: 0, mtime: 0, mtimeNs: 0, devMajor: 0, devMinor: 0 };
  const data = Buffer.from(text);
  writer.header({ ...numbers, type: 'file', name, linkname: '', size: data.length, xattrs: undefined });
  writer.data(data);
  writer.pad(data.length);
  writer.end();
  return Buffer.concat(chunks);
}

/** Puts other bytes in the place of one layer of a local cache, and corrects what names it. */
function replaceLayer(
  cache: string,
  which: (layers: readonly Blob[]) => Blob | undefined,
  bytes: Buffer,
  diffID?: Digest,
): string {
  const fileOf = (digest: string): string => join(cache, 'blobs', digest.replace(':', '/'));
  const store = (content: Buffer): { digest: string; size: number } => {
    const digest = digestOf(content);
    writeFileSync(fileOf(digest), content);
    return { digest, size: content.length };
  };
  const index = JSON.parse(readFileSync(join(cache, 'index.json'), 'utf8')) as { manifests: Blob[] };
  const [root] = index.manifests;
  assert(root);
  const manifest = JSON.parse(readFileSync(fileOf(root.digest), 'utf8')) as Manifest;
  const layer = which(manifest.layers);
  assert(layer);
  const config = readFileSync(fileOf(manifest.config.digest), 'utf8');
  const before = layer.digest;
  Object.assign(layer, store(bytes));
  if (diffID !== undefined) layer.annotations[UNCOMPRESSED] = diffID;
  Object.assign(manifest.config, store(Buffer.from(config.replaceAll(before, layer.digest))));
  Object.assign(root, store(Buffer.from(JSON.stringify(manifest))));
  writeFileSync(join(cache, 'index.json'), JSON.stringify(index));
  return layer.digest;
}

/** Digests of the layers of the one image in a layout. */
function layersOf(layout: string): string[] {
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as { manifests: Blob[] };
  const file = join(layout, 'blobs', (index.manifests[0]?.digest ?? '').replace(':', '/'));
  return (JSON.parse(readFileSync(file, 'utf8')) as Manifest).layers.map(({ digest }) => digest);
}

describe('a cache whose layers are others than it says', () => {
  let registry: RegistryServer;
  let directory: string;
  let places = 0;
  let exported: string;
  /** Of the image without a cache. */
  let clean: string | undefined;

  before(async () => {
    registry = await startBaseImageRegistry();
    directory = mkdtempSync(join(tmpdir(), 'cairn-poison-'));
    exported = join(directory, 'exported');
    const to = [`type=local,dest=${exported},mode=max,image-manifest=true`];
    clean = (await buildImage(registry.host, { to })).digest;
  });
  after(async () => {
    await registry.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const base = (layers: readonly Blob[]): Blob | undefined => layers.toSorted((a, b) => b.size - a.size)[0];
  const made = (layers: readonly Blob[]): Blob | undefined => layers.toSorted((a, b) => a.size - b.size)[0];
  const wrong = gzipSync(tarOf('evil', 'evil'));
  const escaping = tarOf('../../../../../../../../tmp/cairn-escaped', 'evil');

  interface Case {
    which: typeof base;
    bytes: Buffer;
    /** Of the bytes, where the cache says so. */
    diffID?: Digest;
    /** How the image is written. */
    outputs: readonly Output[];
    /** The cache is believed: nobody looks into layers that are handed on, and their digests are right. */
    believed?: boolean;
  }
  const CASES: Record<string, Case> = {
    'a layer is another tar': { which: made, bytes: wrong, outputs: ['rewritten', 'recompressed'] },
    'a layer is another tar that nobody reads': {
      which: made,
      bytes: wrong,
      outputs: ['as it is'],
      believed: true,
    },
    'a layer is no tar': { which: made, bytes: randomBytes(5000), outputs: ['rewritten', 'recompressed'] },
    'a layer is a gzip stream that is cut short': {
      which: made,
      bytes: gzipSync(randomBytes(5000)).subarray(0, 4000),
      outputs: ['rewritten'],
    },
    'a layer has rubbish behind its end': {
      which: made,
      bytes: Buffer.concat([wrong, randomBytes(500)]),
      outputs: ['rewritten'],
    },
    'a layer grows out of all proportion': {
      which: made,
      bytes: gzipSync(Buffer.alloc(100_000_000)),
      outputs: ['rewritten'],
    },
    'a layer climbs out of its directory': {
      which: made,
      bytes: gzipSync(escaping),
      diffID: digestOf(escaping),
      outputs: ['rewritten', 'as it is'],
      believed: true,
    },
    'the base image is another tar': {
      which: base,
      bytes: wrong,
      outputs: ['rewritten', 'as it is'],
      believed: true,
    },
  };

  for (const [what, { which, bytes, diffID, outputs, believed = false }] of Object.entries(CASES)) {
    for (const output of outputs) {
      test(`${what}, and the image is ${output}: later ones are right`, async () => {
        const place = join(directory, String(places++));
        const [cache, store, out] = ['cache', 'store', 'image'].map((name) => join(place, name)) as [
          string,
          string,
          string,
        ];
        cpSync(exported, cache, { recursive: true });
        const digest = replaceLayer(cache, which, bytes, diffID);
        const build = (options: BuildOptions): Promise<Built> => {
          rmSync(out, { recursive: true, force: true });
          const flags = { output: [`type=oci,tar=false,dest=${out}${OUTPUTS[output]}`] };
          return buildImage(registry.host, { ...options, store, flags });
        };
        const built = await build({ from: [`type=local,src=${cache}`] });
        assert.equal(built.error, undefined);
        if (believed) {
          assert.deepEqual(built.warnings, []);
        } else {
          assert.equal(built.warnings.length, 1, built.warnings.join('\n'));
          for (const part of [`local:${cache}`, digest]) assert.ok(built.warnings[0]?.includes(part));
          assert.ok(built.ran.length > 0);
          if (output === 'rewritten') assert.equal(built.digest, clean);
        }
        const later = await build({});
        assert.equal(later.error, undefined);
        assert.deepEqual(later.warnings, []);
        assert.ok(!layersOf(out).includes(digest));
        if (output === 'rewritten') assert.equal(later.digest, clean);
        assert.ok(!existsSync('/tmp/cairn-escaped'));
      });
    }
  }

  test('a step on top of a layer that climbs out of its directory is built without it', async () => {
    const cache = join(directory, 'climbing');
    cpSync(exported, cache, { recursive: true });
    replaceLayer(cache, made, gzipSync(escaping), digestOf(escaping));
    const dockerfile = `${DOCKERFILE}RUN cat /d\n`;
    const built = await buildImage(registry.host, { dockerfile, from: [`type=local,src=${cache}`] });
    assert.equal(built.error, undefined);
    assert.equal(built.warnings.length, 1, built.warnings.join('\n'));
    assert.ok(built.warnings[0]?.includes(`local:${cache}`));
    assert.equal(built.digest, (await buildImage(registry.host, { dockerfile })).digest);
    assert.ok(!existsSync('/tmp/cairn-escaped'));
  });
});
