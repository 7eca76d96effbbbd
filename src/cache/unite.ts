/** Several caches as one. */
import {
  ANNOTATION_CREATED_AT,
  ANNOTATION_UNCOMPRESSED,
  type BlobProvider,
  type Descriptor,
  type Digest,
} from '../content/contract.ts';
import { CairnError } from '../errors/error.ts';
import { remoteResult, toCacheConfig } from './config.ts';
import type {
  CacheConfig,
  CacheConfigLayer,
  CacheConfigRecord,
  CacheManifest,
  ExportedCache,
} from './contract.ts';
import { ImportedLayers } from './layers.ts';
import { parseRecordsAs } from './parse.ts';

/**
 * All records of several caches. Those that are the same are still there twice: whoever reads the config merges
 * them. Where two caches have a blob, the first one's is read.
 */
export function uniteManifests(parts: readonly CacheManifest[]): CacheManifest {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  const blobs = new Map<Digest, Descriptor>();
  const providers = new Map<Digest, BlobProvider>();
  for (const part of parts) {
    for (const [digest, descriptor] of part.blobs) {
      if (blobs.has(digest)) continue;
      blobs.set(digest, descriptor);
      providers.set(digest, part.provider);
    }
  }
  return {
    config: uniteConfigs(parts.map(({ config }) => config)),
    blobs,
    provider: joinedProvider(providers),
  };
}

/** Layers and records one after the other, with indexes that follow. */
export function uniteConfigs(configs: readonly CacheConfig[]): CacheConfig {
  const layers: CacheConfigLayer[] = [];
  const records: CacheConfigRecord[] = [];
  for (const config of configs) {
    const moved = moveIndexes(config, layers.length, records.length);
    // Not spread into push(): a config may have more entries than a call may have arguments.
    for (const layer of moved.layers) layers.push(layer);
    for (const record of moved.records) records.push(record);
  }
  return { layers, records };
}

/** What is no list, object or number stays as it is: whoever reads it knows it for damaged. */
function moveIndexes(
  config: CacheConfig,
  layerOffset: number,
  recordOffset: number,
): { layers: CacheConfigLayer[]; records: CacheConfigRecord[] } {
  const toLayer = (index: unknown): unknown => (index === -1 ? -1 : moved(index ?? 0, layerOffset));
  const layers = each(config.layers ?? [], (layer) => ({ ...layer, parent: toLayer(layer['parent']) }));
  const records = each(config.records ?? [], (record) => ({
    ...record,
    layers: each(record['layers'], (result) => ({ ...result, layer: moved(result['layer'], layerOffset) })),
    chains: each(record['chains'], (chain) => ({ ...chain, layers: list(chain['layers'], toLayer) })),
    inputs: list(record['inputs'], (links) =>
      each(links, (link) => ({ ...link, link: moved(link['link'], recordOffset) })),
    ),
  }));
  return {
    layers: Array.isArray(layers) ? (layers as CacheConfigLayer[]) : [],
    records: Array.isArray(records) ? (records as CacheConfigRecord[]) : [],
  };
}

function moved(index: unknown, offset: number): unknown {
  return typeof index === 'number' ? index + offset : index;
}

function list(value: unknown, change: (entry: unknown) => unknown): unknown {
  return Array.isArray(value) ? value.map(change) : value;
}

function each(value: unknown, change: (entry: Record<string, unknown>) => object): unknown {
  return list(value, (entry) =>
    typeof entry === 'object' && entry !== null && !Array.isArray(entry)
      ? change(entry as Record<string, unknown>)
      : entry,
  );
}

function joinedProvider(providers: ReadonlyMap<Digest, BlobProvider>): BlobProvider {
  return {
    read(blob, options) {
      const provider = providers.get(blob.digest);
      if (provider === undefined)
        throw new CairnError(`blob ${blob.digest} is not part of the cache`, { code: 'NOT_FOUND' });
      return provider.read(blob, options);
    },
  };
}

/**
 * An export with the records of a cache that is there: of results of the same record, the newest is kept. What is
 * damaged in `there` is left out.
 */
export function uniteExport(
  cache: ExportedCache,
  there: CacheManifest,
  warn: (message: string) => void,
): ExportedCache {
  const united = uniteManifests([withTimesOf(there, asManifest(cache)), there]);
  const layers = new ImportedLayers(united, warn);
  const chains = parseRecordsAs(united.config, warn, ({ createdAt, place }) => {
    const stack = layers.stack(place);
    return (
      stack &&
      remoteResult(createdAt, {
        descriptors: stack.map(({ descriptor, diffID }) => ({
          ...descriptor,
          annotations: { ...descriptor.annotations, [ANNOTATION_UNCOMPRESSED]: diffID },
        })),
        provider: united.provider,
      })
    );
  });
  return toCacheConfig(chains);
}

/**
 * Layers that are there keep the time they are said to be of: machines pull the same base image at different times,
 * and would write all anew in turns.
 */
function withTimesOf(there: CacheManifest, cache: CacheManifest): CacheManifest {
  const blobs = [...cache.blobs].map(([digest, descriptor]): [Digest, Descriptor] => {
    const time = there.blobs.get(digest)?.annotations?.[ANNOTATION_CREATED_AT];
    if (time === undefined || Number.isNaN(Date.parse(time))) return [digest, descriptor];
    return [
      digest,
      { ...descriptor, annotations: { ...descriptor.annotations, [ANNOTATION_CREATED_AT]: time } },
    ];
  });
  return { ...cache, blobs: new Map(blobs) };
}

function asManifest({ config, blobs }: ExportedCache): CacheManifest {
  return {
    config,
    blobs: new Map([...blobs].map(([digest, { descriptor }]) => [digest, descriptor])),
    provider: joinedProvider(new Map([...blobs].map(([digest, { provider }]) => [digest, provider]))),
  };
}

/** The export without results that need these blobs. */
export function withoutBlobs(cache: ExportedCache, lost: ReadonlySet<Digest>): ExportedCache {
  const blobs = new Map([...cache.blobs].filter(([digest]) => !lost.has(digest)));
  const none: CacheManifest = { config: {}, blobs: new Map(), provider: joinedProvider(new Map()) };
  return uniteExport({ config: cache.config, blobs }, none, () => undefined);
}
