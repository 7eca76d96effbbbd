/**
 * Inline caches on their way in: records in the configs of an image, or of each image of an index (BuildKit
 * cache/remotecache import.go, importInlineCache, v0.32.2).
 */
import { ANNOTATION_CREATED_AT, ANNOTATION_UNCOMPRESSED } from '../../content/contract.ts';
import type { BlobProvider, Descriptor, Digest } from '../../content/contract.ts';
import { isIndexType } from '../../content/media_types.ts';
import { collect, verified } from '../../content/verify.ts';
import { CairnError, messageOf } from '../../errors/error.ts';
import type { CacheManifest } from '../contract.ts';
import type { CacheConfigRecord } from '../contract.ts';
import { INLINE_CACHE_FIELD, inlineConfig } from '../inline.ts';
import { isDigest } from '../layers.ts';
import { uniteManifests } from '../unite.ts';
import { MAX_IMAGE_CONFIG_BYTES, MAX_INLINE_MANIFESTS } from './limits.ts';
import { byDigest, decodeManifest, type DecodedManifest } from './manifest_format.ts';

/** Deeper indexes of indexes are not looked into. */
const MAX_DEPTH = 3;

export interface ImageReader {
  provider: BlobProvider;
  /** @throws CairnError */
  manifest(descriptor: Descriptor, signal: AbortSignal): Promise<Uint8Array>;
}

/**
 * The records of all images under a manifest as one cache; undefined when none has any. An image that cannot be
 * read is left out, with a warning.
 */
export async function importInline(
  root: DecodedManifest,
  reader: ImageReader,
  warn: (message: string) => void,
  signal: AbortSignal,
): Promise<CacheManifest | undefined> {
  const images = await imagesOf(root, reader, warn, signal, MAX_DEPTH);
  const parts = await Promise.all(
    images.map((image) =>
      leniently(warn, signal, 'the inline cache of an image', () => importImage(image, reader, signal)),
    ),
  );
  const found = parts.filter((part) => part !== undefined);
  return found.length === 0 ? undefined : uniteManifests(found);
}

/** Image manifests, those of indexes included. */
async function imagesOf(
  manifest: DecodedManifest,
  reader: ImageReader,
  warn: (message: string) => void,
  signal: AbortSignal,
  depth: number,
): Promise<DecodedManifest[]> {
  if (manifest.imageConfig !== undefined) return [manifest];
  const platforms = manifest.manifests.filter(
    ({ annotations, mediaType }) =>
      annotations?.['vnd.docker.reference.type'] === undefined && (depth > 0 || !isIndexType(mediaType)),
  );
  const below = await Promise.all(
    [...byDigest(platforms).values()].slice(0, MAX_INLINE_MANIFESTS).map((descriptor) =>
      leniently(warn, signal, `manifest ${descriptor.digest}`, async () => {
        const bytes = await reader.manifest(descriptor, signal);
        return depth === 0 ? [] : imagesOf(decodeManifest(bytes), reader, warn, signal, depth - 1);
      }),
    ),
  );
  return below.flatMap((each) => each ?? []);
}

async function leniently<T>(
  warn: (message: string) => void,
  signal: AbortSignal,
  what: string,
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (signal.aborted) throw error;
    // Also errors that are not ours: what is read here may be anything.
    warn(`${what} cannot be read: ${messageOf(error)}`);
    return undefined;
  }
}

interface ImageConfig {
  diffIDs: Digest[];
  /** Of the layers, where history tells. */
  created: (string | undefined)[];
  cache: string | undefined;
}

async function importImage(
  { imageConfig, layers }: DecodedManifest,
  { provider }: ImageReader,
  signal: AbortSignal,
): Promise<CacheManifest | undefined> {
  if (imageConfig === undefined || layers.length === 0) return undefined;
  const bytes = await collect(
    verified(provider.read(imageConfig, { signal }), imageConfig),
    MAX_IMAGE_CONFIG_BYTES,
  );
  const { diffIDs, created, cache } = parseImageConfig(bytes);
  if (cache === undefined || diffIDs.length !== layers.length) return undefined;
  const records: unknown = JSON.parse(Buffer.from(cache, 'base64').toString('utf8'));
  if (!Array.isArray(records))
    throw new CairnError('the records of the inline cache are not a list', { code: 'CORRUPT' });
  const described = layers.map((layer, index): Descriptor => {
    const createdAt = created[index];
    return {
      ...layer,
      annotations: {
        ...layer.annotations,
        [ANNOTATION_UNCOMPRESSED]: diffIDs[index] ?? '',
        ...(createdAt === undefined ? {} : { [ANNOTATION_CREATED_AT]: createdAt }),
      },
    };
  });
  return {
    config: inlineConfig(
      records as CacheConfigRecord[],
      layers.map(({ digest }) => digest),
    ),
    blobs: byDigest(described),
    provider,
  };
}

function parseImageConfig(bytes: Uint8Array): ImageConfig {
  const value = (JSON.parse(Buffer.from(bytes).toString('utf8')) ?? {}) as Record<string, unknown>;
  const { diff_ids: ids } = (value['rootfs'] ?? {}) as Record<string, unknown>;
  const history = Array.isArray(value['history']) ? value['history'] : [];
  const cache = value[INLINE_CACHE_FIELD];
  return {
    diffIDs: Array.isArray(ids) ? ids.filter(isDigest) : [],
    created: history
      .filter((entry: { empty_layer?: boolean } | null) => entry?.empty_layer !== true)
      .map((entry: { created?: unknown } | null) =>
        typeof entry?.created === 'string' ? entry.created : undefined,
      ),
    cache: typeof cache === 'string' && cache !== '' ? cache : undefined,
  };
}
