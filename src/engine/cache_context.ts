/** What the backends of caches get from a build. */
import type { BackendContext, CacheEntry } from '../cache/backends/contract.ts';
import type { CacheWarning } from '../cache/imported.ts';
import type { ProgressSink } from '../progress/events.ts';
import type { RegistryClient } from '../registry/contract.ts';
import type { BuildContext } from './build.ts';
import type { TypedAttrs } from './contract.ts';

/** @param warn told of what backends find odd, with the entry's name before it */
export function backendContext(
  { services, client }: BuildContext,
  registry: RegistryClient,
  { name }: CacheEntry,
  warn: CacheWarning,
): BackendContext {
  return {
    env: services.env,
    directory: (path) => client.cacheDirectory(path),
    registry: () => Promise.resolve(registry),
    warn: (message) => warn(`cache ${name}: ${message}`),
  };
}

/** What BuildKit takes for the same cache: a registry's reference, of others everything that is said. */
export function targetOf({ type, attrs }: TypedAttrs): string {
  if (type === 'registry' && attrs['ref'] !== undefined) return attrs['ref'];
  return JSON.stringify([type, ...Object.entries(attrs).toSorted(([a], [b]) => (a < b ? -1 : 1))]);
}

/** Warnings about caches; they belong to no step. The same is told once; a hint is its detail. */
export function warner(progress: ProgressSink): CacheWarning {
  const told = new Set<string>();
  return (message, hint) => {
    if (told.has(message)) return;
    told.add(message);
    progress.warning({
      vertex: 'sha256:',
      level: 1,
      short: message,
      ...(hint === undefined ? {} : { detail: [hint] }),
    });
  };
}
