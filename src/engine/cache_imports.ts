/** `--cache-from`: caches that the solver asks, each found while the build goes on. */
import type { KeySource } from '../cache/contract.ts';
import type { RegistryClient } from '../registry/contract.ts';
import { damagedBlobOf } from '../content/damaged_blob.ts';
import type { BuildContext } from './build.ts';
import { targetOf } from './cache_context.ts';

export interface CacheImports {
  /** In the order of the command line. */
  readonly sources: readonly KeySource[];
  /** Begins to look for all caches; what is not needed is not waited for. */
  start(): void;
  /**
   * Whether an error is due to a blob of one of these caches, which could not be read or is not the layer that the
   * cache said. That blob, or the cache when it is out of reach, is
   * not used from then on, so that solving again does without it.
   */
  lose(error: unknown): boolean;
  /** Stops what is still being looked for. */
  close(): void;
}

const NONE: CacheImports = { sources: [], start() {}, lose: () => false, close() {} };

/**
 * Checks every entry; nothing is connected to.
 * @throws CairnError USAGE
 */
export async function prepareCacheImports(
  context: BuildContext,
  registry: RegistryClient,
): Promise<CacheImports> {
  const { request, services } = context;
  // Most builds import nothing: they load nothing for it either.
  if (request.cacheFrom.length === 0) return NONE;
  const { cacheEntry } = await import('../cache/backends/create.ts');
  const { CacheImport } = await import('./cache_import.ts');
  const { cacheReadErrorOf } = await import('../cache/guarded.ts');
  const closing = new AbortController();
  const imports = new Map<string, InstanceType<typeof CacheImport>>();
  const seen = new Set<string>();
  for (const each of request.cacheFrom) {
    const target = targetOf(each);
    if (seen.has(target)) continue;
    seen.add(target);
    const checked = await cacheEntry(each, 'from', {
      lenient: request.cacheLenient === true,
      env: services.env,
    });
    // By their names blobs that cannot be read are known to be theirs.
    const entry = { ...checked, name: freeName(checked.name, imports) };
    imports.set(entry.name, new CacheImport(entry, context, registry, closing.signal));
  }
  const all = [...imports.values()];
  return {
    sources: all.map(({ source }) => source),
    start: () => {
      for (const { source } of all) void source.ready?.();
    },
    lose(error) {
      const read = cacheReadErrorOf(error);
      if (read !== undefined) {
        imports.get(read.cache)?.lose(read);
        return imports.has(read.cache);
      }
      const damaged = damagedBlobOf(error);
      return damaged !== undefined && all.some((each) => each.loseDamaged(damaged));
    },
    close: () => closing.abort(),
  };
}

/** Two services may have a cache of the same name. */
function freeName(name: string, taken: ReadonlyMap<string, unknown>): string {
  let free = name;
  for (let number = 2; taken.has(free); number++) free = `${name} (${number})`;
  return free;
}
