/** What a build leaves: images or files, and caches. */
import type { ExportNode } from '../cache/contract.ts';
import type { Exporter } from '../exporters/contract.ts';
import type { RegistryClient } from '../registry/contract.ts';
import type { SolveSession } from '../solver/contract.ts';
import type { BuildContext } from './build.ts';
import { inlineCache, runCacheExports, type CacheExports } from './cache_exports.ts';
import { runExports } from './exports.ts';
import type { SolvedRef } from './solve_refs.ts';

export interface SolvedBuild {
  solved: readonly SolvedRef[];
  session: SolveSession;
  exporters: Exporter[];
  caches: CacheExports;
  registry: RegistryClient;
}

/**
 * Runs the exporters, and beside them the exports of caches. Those begin when the images have their layers: a
 * layer that an image needs in some compression is then not made in another for the cache.
 *
 * @returns response metadata of both
 */
export async function exportAll(
  { solved, session, exporters, caches, registry }: SolvedBuild,
  context: BuildContext,
): Promise<Record<string, string>> {
  const { promise: layersReady, resolve } = Promise.withResolvers<void>();
  const nodeOf = async ({ edge }: SolvedRef): Promise<ExportNode | undefined> =>
    edge === undefined ? undefined : session.exportNode(edge);
  const nodes = async (): Promise<ExportNode[]> => {
    const all = await Promise.all(solved.map(nodeOf));
    return all.filter((node) => node !== undefined);
  };
  const failed = new AbortController();
  const signal = AbortSignal.any([context.signal, failed.signal]);
  const stopping = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  };
  const images = runExports(
    exporters,
    {
      refs: solved.map(({ ref }) => ref),
      layersReady: resolve,
      ...(caches.inline
        ? {
            inlineCache: async (index, compression) => {
              const node = solved[index] && (await nodeOf(solved[index]));
              const snapshot = solved[index]?.ref.snapshot;
              return node && snapshot && inlineCache(node, snapshot, compression, { ...context, signal });
            },
          }
        : {}),
    },
    { ...context, signal },
  );
  const exported = layersReady.then(() => {
    signal.throwIfAborted();
    return runCacheExports(caches.entries, nodes, { ...context, signal }, registry);
  });
  const results = await Promise.allSettled([stopping(images), stopping(exported)]);
  context.signal.throwIfAborted();
  if (failed.signal.aborted) throw failed.signal.reason;
  const [metadata, cacheMetadata] = results.map((result) =>
    result.status === 'fulfilled' ? result.value : {},
  );
  return { ...metadata, ...cacheMetadata };
}

/** Exports what was finished of a build that failed, to the entries that want it (`on-failure=true`). */
export async function exportFailed(
  session: SolveSession,
  caches: CacheExports,
  context: BuildContext,
  registry: RegistryClient,
): Promise<void> {
  const entries = caches.entries
    .filter(({ common }) => common.onFailure)
    .map((entry) => ({ ...entry, common: { ...entry.common, ignoreError: true } }));
  if (context.signal.aborted) return;
  await runCacheExports(entries, () => session.finishedNodes(), context, registry);
}
