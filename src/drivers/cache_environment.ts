/** What cache entries take from the environment of who asks for a build, as buildx does it before it asks. */
import type { Side } from '../cache/backends/contract.ts';
import type { BuildRequest, TypedAttrs } from '../engine/contract.ts';

const FLAGS: Readonly<Record<Side, string>> = { to: '--cache-to', from: '--cache-from' };

/**
 * The request with its cache entries completed. One that cannot work in this environment is left out, which is told.
 *
 * @throws CairnError USAGE for an unknown type
 */
export async function withCacheEnvironment(
  request: BuildRequest,
  env: NodeJS.ProcessEnv,
  warn: (message: string) => void,
): Promise<BuildRequest> {
  if (request.cacheTo.length === 0 && request.cacheFrom.length === 0) return request;
  const { backendOf } = await import('../cache/backends/create.ts');
  /** Flags by type and reason. */
  const dropped = new Map<string, Set<string>>();
  const complete = async (entries: readonly TypedAttrs[], side: Side): Promise<TypedAttrs[]> => {
    const kept: TypedAttrs[] = [];
    for (const { type, attrs } of entries) {
      const completed = (await backendOf(type, side)).fromEnvironment(attrs, env, side);
      if ('attrs' in completed) {
        kept.push({ type, attrs: completed.attrs });
        continue;
      }
      const reason = `type=${type}: ${completed.dropped}`;
      dropped.set(reason, (dropped.get(reason) ?? new Set()).add(FLAGS[side]));
    }
    return kept;
  };
  const cacheTo = await complete(request.cacheTo, 'to');
  const cacheFrom = await complete(request.cacheFrom, 'from');
  for (const [reason, flags] of dropped) warn(`no cache for ${[...flags].join(' and ')} ${reason}`);
  return { ...request, cacheTo, cacheFrom };
}
