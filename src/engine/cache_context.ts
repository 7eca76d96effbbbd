/** What the backends of caches get from a build. */
import type { BackendContext } from '../cache/backends/contract.ts';
import type { ProgressSink } from '../progress/events.ts';
import type { RegistryClient } from '../registry/contract.ts';
import type { BuildContext } from './build.ts';
import type { TypedAttrs } from './contract.ts';

export function backendContext(
  { services, client }: BuildContext,
  registry: RegistryClient,
  warn: (message: string) => void,
): BackendContext {
  return {
    env: services.env,
    directory: (path) => client.cacheDirectory(path),
    registry: () => Promise.resolve(registry),
    warn,
  };
}

/** What BuildKit takes for the same cache: a registry's reference, of others everything that is said. */
export function targetOf({ type, attrs }: TypedAttrs): string {
  if (type === 'registry' && attrs['ref'] !== undefined) return attrs['ref'];
  return JSON.stringify([type, ...Object.entries(attrs).toSorted(([a], [b]) => (a < b ? -1 : 1))]);
}

/** Warnings about caches; they belong to no step. The same is told once. */
export function warner(progress: ProgressSink): (message: string) => void {
  const told = new Set<string>();
  return (message) => {
    if (told.has(message)) return;
    told.add(message);
    progress.warning({ vertex: 'sha256:', level: 1, short: message });
  };
}
