/** Bounded concurrency, first come, first served. */
import { canceled } from './cancel.ts';

export class Gate {
  readonly #size: number;
  #active = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  /**
   * Waits for a slot. @returns its release, which may be called more than once
   * @throws CairnError CANCELED
   */
  async enter(signal?: AbortSignal): Promise<() => void> {
    if (signal?.aborted === true) throw canceled(signal);
    if (this.#active < this.#size) {
      this.#active++;
    } else {
      await new Promise<void>((admit, refuse) => {
        const onAbort = (): void => {
          const index = this.#waiting.indexOf(start);
          if (index !== -1) this.#waiting.splice(index, 1);
          refuse(canceled(signal));
        };
        const start = (): void => {
          signal?.removeEventListener('abort', onAbort);
          admit();
        };
        this.#waiting.push(start);
        signal?.addEventListener('abort', onAbort, { once: true });
      });
    }
    let released = false;
    return () => {
      if (released) return;
      released = true;
      const next = this.#waiting.shift();
      // The slot passes to the next in line without becoming free.
      if (next === undefined) this.#active--;
      else next();
    };
  }
}
