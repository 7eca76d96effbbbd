/** Runs that are going on in this process, so that equal vertices of one or several builds run once. */
import type { Tree } from '../snapshots/contract.ts';
import { canceled } from './error.ts';

export type Outputs = readonly (Tree | undefined)[];

export interface RunRequest {
  /** Equal for vertices whose cache keys are equal; undefined: shared with nobody. */
  key: string | undefined;
  /** A run that ignores the cache must not take the result of one that may have begun earlier. */
  ignoreCache: boolean;
  /** Name of the vertex, for others that wait for it. */
  name: string;
  /** The session's; a run belongs to the session that began it and stops with it. */
  signal: AbortSignal;
  run(): Promise<Outputs>;
}

export interface RunResult {
  outputs: Outputs;
  /** False: another vertex, or another build, ran it. */
  own: boolean;
  /** Name of the vertex that ran. */
  by: string;
}

interface ActiveRun {
  name: string;
  outputs: Promise<Outputs>;
  owner: AbortSignal;
}

/** One for a store and process. */
export class Runs {
  readonly #active = new Map<string, ActiveRun>();

  async share(request: RunRequest): Promise<RunResult> {
    const { key, signal } = request;
    if (key === undefined) return { outputs: await request.run(), own: true, by: request.name };
    for (;;) {
      const active = this.#find(key, request.ignoreCache);
      if (active === undefined)
        return { outputs: await this.#start(key, request), own: true, by: request.name };
      try {
        return { outputs: await unlessAborted(active.outputs, signal), own: false, by: active.name };
      } catch (error) {
        // The build that ran it was canceled; that is no reason to fail this one.
        if (signal.aborted || !active.owner.aborted) throw error;
        await active.outputs.catch(() => undefined);
      }
    }
  }

  #find(key: string, ignoreCache: boolean): ActiveRun | undefined {
    const fresh = this.#active.get(slot(key, true));
    return fresh ?? (ignoreCache ? undefined : this.#active.get(slot(key, false)));
  }

  async #start(key: string, request: RunRequest): Promise<Outputs> {
    const place = slot(key, request.ignoreCache);
    const active = { name: request.name, outputs: request.run(), owner: request.signal };
    this.#active.set(place, active);
    try {
      return await active.outputs;
    } finally {
      this.#active.delete(place);
    }
  }
}

function slot(key: string, ignoreCache: boolean): string {
  return ignoreCache ? `${key} fresh` : key;
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(canceled(signal));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    if (signal.aborted) throw canceled(signal);
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
