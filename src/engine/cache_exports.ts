/** `--cache-to`: the records of a build, exported to every entry side by side. */
import type { CacheBackend, CacheEntry } from '../cache/backends/contract.ts';
import type { CacheExportMode, ExportedCache, ExportNode } from '../cache/contract.ts';
import type { CompressionConfig } from '../content/contract.ts';
import { CairnError, hintOf, messageOf } from '../errors/error.ts';
import type { VertexProgress } from '../progress/events.ts';
import { runVertex, startStatus } from '../progress/vertex.ts';
import type { RegistryClient } from '../registry/contract.ts';
import type { Snapshot } from '../snapshots/contract.ts';
import type { BuildContext } from './build.ts';
import { backendContext, targetOf, warner } from './cache_context.ts';

export interface CacheExports {
  /** The records go into the image, too. */
  readonly inline: boolean;
  readonly entries: readonly CacheEntry[];
}

/**
 * Checks every entry; nothing is connected to.
 * @throws CairnError USAGE
 */
export async function prepareCacheExports({ request, services }: BuildContext): Promise<CacheExports> {
  if (request.cacheTo.length === 0) return { inline: false, entries: [] };
  const { cacheEntry } = await import('../cache/backends/create.ts');
  const entries: CacheEntry[] = [];
  const seen = new Set<string>();
  const duplicates = new Set<string>();
  let inline = false;
  for (const each of request.cacheTo) {
    const entry = await cacheEntry(each, 'to', { lenient: request.cacheLenient === true, env: services.env });
    if (each.type === 'inline') {
      inline = true;
      continue;
    }
    const key = targetOf(each);
    if (seen.has(key)) duplicates.add(each.type);
    seen.add(key);
    entries.push(entry);
  }
  if (duplicates.size > 0) {
    throw new CairnError(`duplicate cache exports [${[...duplicates].join(' ')}]`, {
      code: 'USAGE',
      hint: 'two exports to one place would overwrite each other: leave one out',
    });
  }
  return { inline, entries };
}

/**
 * Exports to all entries. A failure is a warning, unless the entry says `ignore-error=false`.
 *
 * @param nodes of the edges that the build is about
 * @returns response metadata; of two entries that say the same thing the later counts, as with BuildKit
 * @throws the failure of an entry that must not fail
 */
export async function runCacheExports(
  entries: readonly CacheEntry[],
  nodes: () => Promise<readonly ExportNode[]>,
  context: BuildContext,
  registry: RegistryClient,
): Promise<Record<string, string>> {
  if (entries.length === 0) return {};
  const prepared = new PreparedCaches(nodes, context);
  // First of all: what may not be written is known before layers are compressed for it.
  const opened = entries.map((entry) => openBackend(entry, context, registry));
  const planned = Promise.allSettled(opened).then((backends) => {
    const writable = entries.filter((_, index) => backends[index]?.status === 'fulfilled');
    for (const { common } of writable.toSorted((a, b) => depthOf(a) - depthOf(b))) {
      // Failures are met by the entries that wanted it.
      prepared.get(common.mode, common.compression).catch(() => undefined);
    }
  });
  const results = await Promise.all(
    entries.map(async (entry, index) => {
      try {
        return await runVertex(context.progress, entry.vertexName, async (vertex) => {
          const done = startStatus(vertex, 'preparing build cache for export');
          const backend = await opened[index];
          await planned;
          const cache = await prepared.get(entry.common.mode, entry.common.compression);
          done();
          return backend && publishWithin(cache, { entry, backend, vertex }, context);
        });
      } catch (error) {
        if (context.signal.aborted) throw error;
        const message = `cache ${entry.name} was not exported: ${messageOf(error)}`;
        const hint = hintOf(error);
        if (entry.common.ignoreError !== false) {
          warner(context.progress)(message, hint);
          return {};
        }
        const code = error instanceof CairnError ? error.code : 'UNAVAILABLE';
        throw new CairnError(message, { code, hint, cause: error });
      }
    }),
  );
  return Object.assign({}, ...results) as Record<string, string>;
}

function depthOf({ common }: CacheEntry): number {
  return common.mode === 'min' ? 0 : 1;
}

async function openBackend(
  entry: CacheEntry,
  context: BuildContext,
  registry: RegistryClient,
): Promise<CacheBackend> {
  const backend = await entry.open(backendContext(context, registry, entry, warner(context.progress)));
  await backend.names(AbortSignal.any([context.signal, AbortSignal.timeout(entry.common.timeout)]));
  return backend;
}

async function publishWithin(
  cache: ExportedCache,
  { entry, backend, vertex }: { entry: CacheEntry; backend: CacheBackend; vertex: VertexProgress },
  context: BuildContext,
): Promise<Record<string, string>> {
  const timeout = AbortSignal.timeout(entry.common.timeout);
  const signal = AbortSignal.any([context.signal, timeout]);
  const done = startStatus(vertex, 'sending cache export');
  try {
    const { publishCache } = await import('../cache/backends/publish.ts');
    const warn = warner(context.progress);
    return await publishCache(cache, { entry, backend, progress: vertex, signal, warn });
  } catch (error) {
    if (!timeout.aborted || context.signal.aborted) throw error;
    throw new CairnError(`the export was not finished within ${entry.common.timeout / 1000} s`, {
      code: 'TIMEOUT',
      hint: 'raise timeout= of the --cache-to entry',
      cause: error,
    });
  } finally {
    done();
  }
}

/**
 * The records of the build, gathered once for each mode and compression, one after the other in the order in which
 * they are first asked for: mode=min takes what has blobs already, and must not depend on how far another is.
 */
class PreparedCaches {
  readonly #nodes: () => Promise<readonly ExportNode[]>;
  readonly #context: BuildContext;
  readonly #caches = new Map<string, Promise<ExportedCache>>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(nodes: () => Promise<readonly ExportNode[]>, context: BuildContext) {
    this.#nodes = nodes;
    this.#context = context;
  }

  get(mode: CacheExportMode, compression: CompressionConfig): Promise<ExportedCache> {
    const key = JSON.stringify([mode, compression]);
    let cache = this.#caches.get(key);
    if (cache === undefined) {
      cache = this.#last.then(() => this.#make(mode, compression));
      this.#caches.set(key, cache);
      this.#last = cache.catch(() => undefined);
    }
    return cache;
  }

  async #make(mode: CacheExportMode, compression: CompressionConfig): Promise<ExportedCache> {
    const { exportCache } = await import('../cache/export.ts');
    const { services, signal, progress } = this.#context;
    return exportCache(await this.#nodes(), services.snapshots, {
      mode,
      compression,
      signal,
      warn: warner(progress),
    });
  }
}

/**
 * The records of one platform for an image whose layers are in `compression`; undefined: none fits into it.
 * @param node of the platform's edge
 */
export async function inlineCache(
  node: ExportNode,
  snapshot: Snapshot,
  compression: CompressionConfig,
  { services, signal, progress }: BuildContext,
): Promise<Uint8Array | undefined> {
  const { exportCache } = await import('../cache/export.ts');
  const { inlineRecords } = await import('../cache/inline.ts');
  const { snapshots } = services;
  const remote = await snapshots.remote(snapshot, compression, { signal });
  const layers = remote?.descriptors.map(({ digest }) => digest) ?? [];
  const options = { mode: 'min', inline: true, compression, signal, warn: warner(progress) } as const;
  const records = inlineRecords(await exportCache([node], snapshots, options), layers);
  return records && new TextEncoder().encode(JSON.stringify(records));
}
