/** The order in which goroutines that race most often come in, for results that do not depend on chance. */

/**
 * What goroutines return, listed in the order in which they were started, in the order in which each comes to its
 * end when it runs there without a break: Go's scheduler begins with the last one started and goes on from the
 * first. What BuildKit reports of them is more often in this order than in any other.
 */
export function inRaceOrder<T>(started: readonly T[]): T[] {
  return [...started.slice(-1), ...started.slice(0, -1)];
}
