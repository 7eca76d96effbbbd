/** Staying within what GitHub allows: one pace for all requests of a backend. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CairnError } from '../../../errors/error.ts';
import { FIRST_THROTTLE_MS, MAX_THROTTLE_MS } from './limits.ts';

export interface ThrottleOptions {
  /** How long all pauses that the service asked for may last together. Milliseconds. */
  budget: number;
  /** Entries that may be made in one window. */
  uploads: number;
  /** Milliseconds. */
  window: number;
  /** Default: the machine's. */
  clock?: Clock;
}

/** Times in milliseconds. */
export interface Clock {
  now(): number;
  /** @throws the signal's reason */
  sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void>;
}

const MONOTONIC: Clock = {
  now: () => performance.now(),
  async sleep(milliseconds, signal) {
    await sleep(milliseconds, undefined, signal === undefined ? {} : { signal }).catch(() => {
      throw signal?.reason;
    });
  },
};

export class Throttle {
  readonly #options: ThrottleOptions;
  readonly #clock: Clock;
  /** When requests may go on. */
  #until = 0;
  #doubling = FIRST_THROTTLE_MS;
  /** When the entries of the last window were made. */
  readonly #made: number[] = [];
  #spent = 0;

  constructor(options: ThrottleOptions) {
    this.#options = options;
    this.#clock = options.clock ?? MONOTONIC;
  }

  /** Waits until the pause that the service asked for is over. @throws the signal's reason */
  async ready(signal: AbortSignal | undefined): Promise<void> {
    for (let rest = this.#until - this.#clock.now(); rest > 0; rest = this.#until - this.#clock.now())
      await this.#clock.sleep(rest, signal);
    signal?.throwIfAborted();
  }

  /** Waits until one more entry may be made. @throws the signal's reason */
  async upload(signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      while (this.#made.length > 0 && (this.#made[0] ?? 0) <= this.#clock.now() - this.#options.window)
        this.#made.shift();
      const [oldest] = this.#made;
      if (oldest === undefined || this.#made.length < this.#options.uploads) break;
      await this.#clock.sleep(oldest + this.#options.window - this.#clock.now(), signal);
    }
    this.#made.push(this.#clock.now());
  }

  /**
   * Notes that the service wants fewer requests.
   * @param retryAfter what it asks for, in milliseconds
   * @throws CairnError UNAVAILABLE when that is more than the budget has left
   */
  slow(retryAfter: number | undefined): void {
    const rest = this.#until - this.#clock.now();
    const asked = retryAfter !== undefined && retryAfter > 0;
    // Several requests are refused at once; they all mean the same pause.
    if (rest > 0 && !asked) return;
    const wanted = asked ? retryAfter : this.#doubling;
    if (!asked) this.#doubling = Math.min(MAX_THROTTLE_MS, this.#doubling * 2);
    const more = wanted - Math.max(0, rest);
    if (more <= 0) return;
    if (this.#spent + more > this.#options.budget) {
      throw new CairnError(
        `GitHub's cache service asks for a pause of ${Math.ceil(wanted / 1000)} s, more than timeout= allows`,
        {
          code: 'UNAVAILABLE',
          hint: 'there are too many uploads from this repository; wait, or raise timeout=',
        },
      );
    }
    this.#spent += more;
    this.#until = this.#clock.now() + wanted;
  }

  /** Notes that a request was taken. */
  taken(): void {
    this.#doubling = FIRST_THROTTLE_MS;
  }
}
