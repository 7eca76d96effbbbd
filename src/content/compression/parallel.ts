import { availableParallelism } from 'node:os';

/** libuv's default; more jobs than threads would only wait, with their buffers in memory. */
const DEFAULT_POOL_THREADS = 4;

/** Jobs to keep under way: one for every core that the thread pool can use, and one that waits. */
export function jobsInFlight(): number {
  const threads = Number(process.env['UV_THREADPOOL_SIZE']) || DEFAULT_POOL_THREADS;
  return Math.min(availableParallelism(), threads) + 1;
}

/**
 * Results of `job` in the order of the input, with at most `limit` jobs under way. Reads ahead no further than
 * that, so back-pressure and memory are bounded.
 */
export async function* mapOrdered<In, Out>(
  input: AsyncIterable<In>,
  limit: number,
  job: (item: In) => Promise<Out>,
): AsyncGenerator<Out, void, undefined> {
  const running: Promise<Out>[] = [];
  try {
    for await (const item of input) {
      const started = job(item);
      // The failure is met when its turn comes; until then it must not count as unhandled.
      started.catch(() => {});
      running.push(started);
      if (running.length >= limit) {
        const first = running.shift();
        if (first !== undefined) yield await first;
      }
    }
    for (let first = running.shift(); first !== undefined; first = running.shift()) yield await first;
  } finally {
    // Buffers of jobs under way belong to the thread pool until they end.
    await Promise.allSettled(running);
  }
}
