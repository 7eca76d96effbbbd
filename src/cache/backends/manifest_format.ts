/**
 * Caches as OCI manifests, in registries and layouts: an image manifest or index that lists the layers and one
 * config blob (BuildKit cache/remotecache export.go and import.go, v0.32.2).
 */
import type { BlobProvider, Descriptor, Digest } from '../../content/contract.ts';
import { digestOf } from '../../content/digest.ts';
import {
  convertLayerMediaType,
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  OCI_INDEX,
  OCI_MANIFEST,
} from '../../content/media_types.ts';
import { ANNOTATION_SOURCE_PREFIX } from '../../content/origin.ts';
import { CairnError, messageOf } from '../../errors/error.ts';
import { goJson } from '../../llb/go_json.ts';
import { CACHE_CONFIG_MEDIA_TYPE, encodeCacheConfig } from '../config.ts';
import type { ExportedCache } from '../contract.ts';
import { isDigest } from '../layers.ts';
import type { ManifestFormat } from './shared_parameters.ts';
import type { Published } from './contract.ts';

/** Key of the response metadata that holds the descriptor of what was exported. */
export const MANIFEST_METADATA = 'cache.manifest';

export interface EncodedDocument {
  descriptor: Descriptor;
  bytes: Uint8Array;
}

export interface EncodedCache {
  config: EncodedDocument;
  manifest: EncodedDocument;
}

/** Config and manifest of an export. The same cache gives the same bytes. */
export function encodeCache(cache: ExportedCache, { oci, imageManifest }: ManifestFormat): EncodedCache {
  const config = document(CACHE_CONFIG_MEDIA_TYPE, encodeCacheConfig(cache.config));
  const layers = (cache.config.layers ?? []).map(({ blob }) => {
    const found = cache.blobs.get(blob);
    if (found === undefined) throw new Error(`the export lacks blob ${blob}`);
    return descriptorJson(found.descriptor, oci);
  });
  const configJson = descriptorJson(config.descriptor, oci);
  const mediaType = imageManifest ? OCI_MANIFEST : oci ? OCI_INDEX : DOCKER_MANIFEST_LIST;
  const manifest = imageManifest
    ? { schemaVersion: 2, mediaType, config: configJson, layers }
    : { schemaVersion: 2, mediaType, manifests: [...layers, configJson] };
  return { config, manifest: document(mediaType, Buffer.from(goJson(manifest))) };
}

function document(mediaType: string, bytes: Uint8Array): EncodedDocument {
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length }, bytes };
}

/** Fields in the order of image-spec's Go struct; without the notes that are for this machine only. */
function descriptorJson({ mediaType, digest, size, annotations }: Descriptor, oci: boolean): object {
  const kept = Object.entries(annotations ?? {})
    .filter(([key]) => !key.startsWith(ANNOTATION_SOURCE_PREFIX))
    .toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return {
    mediaType: convertLayerMediaType(mediaType, oci),
    digest,
    size,
    ...(kept.length === 0 ? {} : { annotations: Object.fromEntries(kept) }),
  };
}

/** What a backend says of a manifest that it published. */
export function published({ config, manifest }: EncodedCache, status: Published['status']): Published {
  const { mediaType, digest, size } = manifest.descriptor;
  return {
    status,
    digest,
    descriptor: manifest.descriptor,
    config: config.descriptor.digest,
    sizes: { config: config.bytes.length, manifest: manifest.bytes.length },
    metadata: { [MANIFEST_METADATA]: goJson({ mediaType, digest, size }) },
  };
}

/** What a manifest says, as far as it can be read: entries that are no descriptors are left out. */
export interface DecodedManifest {
  /** What it says to be, where its fields agree; else Docker's type for these fields. */
  mediaType: string;
  /** Undefined: it is no cache manifest, but may be an image with an inline cache. */
  config: Descriptor | undefined;
  /** Of an image manifest. */
  imageConfig: Descriptor | undefined;
  layers: Descriptor[];
  /** Of an index. */
  manifests: Descriptor[];
}

/**
 * A cache manifest, or an image's. What it is follows from its fields: media types are often missing or wrong.
 * @throws CairnError CORRUPT when it is neither an index nor an image manifest
 */
export function decodeManifest(bytes: Uint8Array): DecodedManifest {
  const value = parseObject(bytes);
  const manifests = descriptors(value['manifests']);
  const layers = descriptors(value['layers']);
  const [imageConfig] = descriptors([value['config']]);
  if (value['manifests'] === undefined && value['layers'] === undefined && imageConfig === undefined)
    throw new CairnError('the manifest is neither an index nor an image manifest', { code: 'CORRUPT' });
  const config = [...(imageConfig === undefined ? [] : [imageConfig]), ...manifests].findLast(
    ({ mediaType }) => mediaType === CACHE_CONFIG_MEDIA_TYPE,
  );
  const mediaType = inferredType(value);
  const others = manifests.filter(({ mediaType }) => mediaType !== CACHE_CONFIG_MEDIA_TYPE);
  if (config === undefined) return { mediaType, config, imageConfig, layers, manifests: others };
  return { mediaType, config, imageConfig: undefined, layers: [...layers, ...others], manifests: [] };
}

/** As BuildKit names it (util/imageutil DetectManifestBlobMediaType, v0.32.2). */
function inferredType({ mediaType, config, layers }: Record<string, unknown>): string {
  const [docker, oci] =
    config === undefined && layers === undefined
      ? [DOCKER_MANIFEST_LIST, OCI_INDEX]
      : [DOCKER_MANIFEST, OCI_MANIFEST];
  return mediaType === oci ? oci : docker;
}

function parseObject(bytes: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw new CairnError(`the manifest is not JSON: ${messageOf(cause)}`, { code: 'CORRUPT', cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new CairnError('the manifest is not a JSON object', { code: 'CORRUPT' });
  return value as Record<string, unknown>;
}

/** Entries of a list that have a digest and a size. */
export function descriptors(list: unknown): Descriptor[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((each: unknown): Descriptor[] => {
    const { mediaType, digest, size, annotations } = (each ?? {}) as Record<string, unknown>;
    if (!isDigest(digest) || !Number.isSafeInteger(size) || Number(size) < 0) return [];
    const texts = Object.entries(annotations ?? {}).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    );
    return [
      {
        mediaType: typeof mediaType === 'string' ? mediaType : '',
        digest,
        size: Number(size),
        ...(texts.length === 0 ? {} : { annotations: Object.fromEntries(texts) }),
      },
    ];
  });
}

/** By digest, as CacheManifest has them. */
export function byDigest(list: readonly Descriptor[]): Map<Digest, Descriptor> {
  return new Map(list.map((descriptor) => [descriptor.digest, descriptor]));
}

/** Hands out one document that is in memory. */
export function memoryProvider(bytes: Uint8Array): BlobProvider {
  return {
    async *read() {
      yield await Promise.resolve(bytes);
    },
  };
}
