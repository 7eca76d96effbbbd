/** Equal work that is asked for twice at the same time is done once. */
import { CairnError } from '../errors/error.ts';

export class Once<T> {
  readonly #running = new Map<string, Promise<T>>();

  /**
   * The result of `work`, or of equal work that is under way. When whoever began that was canceled, the work
   * begins anew for those who were not.
   */
  async run(key: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    for (;;) {
      const running = this.#running.get(key);
      if (running === undefined) break;
      try {
        return await running;
      } catch (error) {
        const theirs = error instanceof CairnError && error.code === 'CANCELED' && signal?.aborted !== true;
        if (!theirs) throw error;
      }
    }
    const promise = work().finally(() => this.#running.delete(key));
    this.#running.set(key, promise);
    return promise;
  }
}
