import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Descriptor, Digest } from '../content/contract.ts';
import { digestOf } from '../llb/digest.ts';
import { parsePlatform } from '../llb/platform.ts';
import { chainId } from './image_key.ts';
import { detectMediaType, loadImage, type ImagePlace } from './image_manifest.ts';
import { chooseManifest } from './platform_choice.ts';

const INDEX = 'application/vnd.oci.image.index.v1+json';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';

/** A place in memory. */
class Memory implements ImagePlace {
  readonly documents = new Map<Digest, Uint8Array>();
  readonly origin = undefined;
  readonly layers = {
    // oxlint-disable-next-line require-yield
    async *read(): AsyncIterable<Uint8Array> {
      throw new Error('no layer is to be read');
    },
  };
  root: Descriptor = { mediaType: '', digest: 'sha256:', size: 0 };

  add(mediaType: string, value: unknown, platform?: Descriptor['platform']): Descriptor {
    const bytes = Buffer.from(JSON.stringify(value));
    const digest = digestOf(bytes);
    this.documents.set(digest, bytes);
    return { mediaType, digest, size: bytes.length, ...(platform === undefined ? {} : { platform }) };
  }

  image(label: string, platform?: Descriptor['platform'], diffIDs = 1): Descriptor {
    const layer = { mediaType: LAYER, digest: digestOf(label), size: 1 };
    const config = this.add(CONFIG, {
      ...platform,
      label,
      rootfs: { type: 'layers', diff_ids: Array.from({ length: diffIDs }, () => digestOf('diff')) },
    });
    return this.add(MANIFEST, { schemaVersion: 2, config, layers: [layer] }, platform);
  }

  resolve(): Promise<Descriptor> {
    return Promise.resolve(this.root);
  }

  document(descriptor: Descriptor): Promise<Uint8Array> {
    return Promise.resolve(this.documents.get(descriptor.digest) ?? new Uint8Array());
  }
}

const linux = (architecture: string, variant?: string) => ({
  os: 'linux',
  architecture,
  ...(variant === undefined ? {} : { variant }),
});
const load = (place: ImagePlace, platform: string) =>
  loadImage(place, parsePlatform(platform), new AbortController().signal);

test('chooseManifest prefers the exact platform and falls back to what runs there', () => {
  const entries = [
    { ...linux('arm', 'v6') },
    { ...linux('386') },
    { os: 'unknown', architecture: 'unknown' },
    { ...linux('arm', 'v7') },
    { ...linux('amd64') },
  ].map((platform, index) => ({ mediaType: MANIFEST, digest: digestOf(`${index}`), size: 1, platform }));
  const chosen = (platform: string, from = entries): string | undefined => {
    const { platform: p } = chooseManifest(from, parsePlatform(platform));
    return [p?.architecture, p?.variant].filter((part) => part !== undefined).join('/');
  };
  assert.equal(chosen('linux/amd64'), 'amd64');
  assert.equal(chosen('linux/amd64', entries.slice(0, 4)), '386');
  assert.equal(chosen('linux/arm64'), 'arm/v7');
  assert.equal(chosen('linux/arm/v6'), 'arm/v6');
  assert.throws(() => chosen('linux/s390x'), {
    code: 'NOT_FOUND',
    message: 'no match for platform in manifest: not found',
  });
});

test('loadImage goes through nested indexes and judges unnamed manifests by their config', async () => {
  const place = new Memory();
  const inner = place.add(INDEX, { manifests: [place.image('arm', linux('arm64'))] }, linux('arm64'));
  const unnamed = place.image('plain', undefined);
  place.root = place.add(INDEX, { manifests: [inner, { ...unnamed }] });
  const image = await load(place, 'linux/arm64');
  assert.match(Buffer.from(image.config).toString(), /"label":"arm"/);
  assert.equal(image.root.digest, place.root.digest);
  await assert.rejects(load(place, 'linux/amd64'), /no match for platform in manifest sha256:/);
});

test('loadImage refuses documents that are not what they say', async () => {
  const place = new Memory();
  place.root = place.image('two diff ids', linux('amd64'), 2);
  await assert.rejects(load(place, 'linux/amd64'), /mismatched image rootfs and manifest layers/);
  place.root = { ...place.add(MANIFEST, { manifests: [] }) };
  await assert.rejects(load(place, 'linux/amd64'), /expected manifest but found index/);
  place.root = { ...place.add(INDEX, { config: {} }) };
  await assert.rejects(load(place, 'linux/amd64'), /expected index but found manifest/);
  place.root = { ...place.root, mediaType: 'application/vnd.docker.distribution.manifest.v1+prettyjws' };
  await assert.rejects(load(place, 'linux/amd64'), {
    code: 'UNSUPPORTED',
    message: /schema 1 has been removed/,
  });
  const loop: { manifests: unknown[] } = { manifests: [] };
  let nested = place.add(INDEX, loop);
  for (let n = 0; n < 20; n++) nested = place.add(INDEX, { manifests: [nested] });
  place.root = nested;
  await assert.rejects(load(place, 'linux/amd64'), { code: 'CORRUPT', message: /nested indexes/ });
});

test('detectMediaType goes by the contents', () => {
  const detect = (value: unknown): string => detectMediaType(Buffer.from(JSON.stringify(value)));
  assert.equal(detect({ mediaType: INDEX, manifests: [] }), INDEX);
  assert.equal(detect({ manifests: [] }), 'application/vnd.docker.distribution.manifest.list.v2+json');
  assert.equal(detect({ config: {}, layers: [] }), 'application/vnd.docker.distribution.manifest.v2+json');
  assert.throws(() => detect({ config: {}, manifests: [] }), /ambiguous/);
  assert.throws(() => detect({ mediaType: INDEX, layers: [] }), /does not match/);
});

test('chainId of several layers is the hash of the chain', () => {
  const [a, b] = [digestOf('a'), digestOf('b')];
  assert.equal(chainId([a]), a);
  assert.equal(chainId([a, b]), digestOf(`${a} ${b}`));
});
