/**
 * Caches without an OCI manifest, as s3, azblob and gha store them: the config alone, whose layers say by
 * themselves what their blobs are (BuildKit cache/remotecache/v1/types, LayerAnnotations, v0.32.2).
 */
import { ANNOTATION_CREATED_AT, ANNOTATION_UNCOMPRESSED } from '../../content/contract.ts';
import type { BlobProvider, Descriptor, Digest } from '../../content/contract.ts';
import { CairnError, messageOf } from '../../errors/error.ts';
import { encodeCacheConfig } from '../config.ts';
import type { CacheConfig, CacheConfigLayer, CacheManifest, ExportedCache } from '../contract.ts';
import { isDigest } from '../layers.ts';

/** How Go writes a time that is not known. */
const NO_TIME = '0001-01-01T00:00:00Z';

/** The bytes of a cache's config, with what its layers are. The same cache gives the same bytes. */
export function encodeAnnotatedConfig({ config, blobs }: ExportedCache): Uint8Array {
  const layers = config.layers?.map((layer): CacheConfigLayer => {
    const blob = blobs.get(layer.blob)?.descriptor;
    const diffID = blob?.annotations?.[ANNOTATION_UNCOMPRESSED];
    if (blob === undefined || diffID === undefined) throw new Error(`layer ${layer.blob} has no diffID`);
    return {
      ...layer,
      annotations: {
        mediaType: blob.mediaType,
        diffID: diffID as Digest,
        size: blob.size,
        createdAt: blob.annotations?.[ANNOTATION_CREATED_AT] ?? NO_TIME,
      },
    };
  });
  return encodeCacheConfig(layers === undefined ? config : { ...config, layers });
}

/**
 * What such a config says. A layer that does not say what its blob is has no blob: what needs it is a miss.
 *
 * @param provider reads the blobs
 * @throws CairnError CORRUPT when it is no JSON object
 */
export function decodeAnnotatedConfig(
  bytes: Uint8Array,
  provider: BlobProvider,
  version?: string,
): CacheManifest {
  const config = parseCacheConfig(bytes);
  const blobs = new Map<Digest, Descriptor>();
  for (const layer of Array.isArray(config.layers) ? config.layers : []) {
    const blob = blobOf(layer);
    if (blob !== undefined) blobs.set(blob.digest, blob);
  }
  return { config, blobs, provider, ...(version === undefined ? {} : { version }) };
}

function blobOf(layer: unknown): Descriptor | undefined {
  const { blob, annotations } = (layer ?? {}) as Partial<CacheConfigLayer>;
  const { mediaType, diffID, size, createdAt } = annotations ?? {};
  if (!isDigest(blob) || !isDigest(diffID)) return undefined;
  if (typeof mediaType !== 'string' || !Number.isSafeInteger(size) || Number(size) < 0) return undefined;
  const known = typeof createdAt === 'string' && createdAt !== NO_TIME;
  return {
    mediaType,
    digest: blob,
    size: Number(size),
    annotations: {
      [ANNOTATION_UNCOMPRESSED]: diffID,
      ...(known ? { [ANNOTATION_CREATED_AT]: createdAt } : {}),
    },
  };
}

/**
 * The JSON of a cache config; what is in it is checked when it is used.
 * @throws CairnError CORRUPT
 */
export function parseCacheConfig(bytes: Uint8Array): CacheConfig {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw new CairnError(`the config is not JSON: ${messageOf(cause)}`, { code: 'CORRUPT', cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new CairnError('the config is not a JSON object', { code: 'CORRUPT' });
  return value as CacheConfig;
}
