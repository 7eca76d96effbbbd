/**
 * Inline caches: records in an image's own config, with the image's layers as results (BuildKit
 * cache/remotecache/inline and import.go, v0.32.2).
 */
import { ANNOTATION_UNCOMPRESSED, type Digest } from '../content/contract.ts';
import type { CacheConfig, CacheConfigRecord, ExportedCache } from './contract.ts';

/** Field of the image config; its value is the base64 of the records' JSON. */
export const INLINE_CACHE_FIELD = 'moby.buildkit.cache.v0';

/** How Go writes the time that a chain of layers does not have. */
const NO_TIME = '0001-01-01T00:00:00Z';

/**
 * The records of an export for an image of these layers: results whose layers the image has, by position in it.
 *
 * @param layers digests of the image's layers, lowest first, compressed or not
 * @returns undefined when no result is left: there is nothing to embed
 */
export function inlineRecords(
  { config, blobs }: ExportedCache,
  layers: readonly Digest[],
): CacheConfigRecord[] | undefined {
  const isAt = (blob: Digest, position: number): boolean => {
    const uncompressed = blobs.get(blob)?.descriptor.annotations?.[ANNOTATION_UNCOMPRESSED];
    return layers[position] === blob || (uncompressed !== undefined && layers[position] === uncompressed);
  };
  const positionOf = (blob: Digest): number => layers.findLastIndex((_, position) => isAt(blob, position));
  const records = (config.records ?? []).map(({ layers: results = [], ...record }): CacheConfigRecord => {
    const [result] = results;
    const stack = result === undefined ? [] : stackOf(config, result.layer);
    const positions = stack.map(positionOf);
    if (result === undefined || positions.length === 0 || positions.includes(-1)) return record;
    if (stack.every(isAt)) return { layers: [{ ...result, layer: stack.length - 1 }], ...record };
    return { chains: [{ layers: positions, createdAt: NO_TIME }], ...record };
  });
  return records.some(({ layers: kept, chains }) => kept ?? chains) ? records : undefined;
}

/** The config of which an image's inline records are a part: each layer lies on the one before. */
export function inlineConfig(records: CacheConfigRecord[], layers: readonly Digest[]): CacheConfig {
  return { layers: layers.map((blob, index) => ({ blob, parent: index - 1 })), records };
}

/** Blobs of a layer and its parents, lowest first, of a config that we made. */
function stackOf({ layers = [] }: CacheConfig, top: number): Digest[] {
  const stack: Digest[] = [];
  for (let layer = layers[top]; layer !== undefined; layer = layers[layer.parent ?? 0]) {
    stack.unshift(layer.blob);
    if (layer.parent === -1) break;
  }
  return stack;
}
