/** Doing a request again when the failure may pass, for clients that do not do so themselves. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CairnError, type CairnErrorOptions } from '../../errors/error.ts';
import { FIRST_BACKOFF_MS, MAX_ATTEMPTS, MAX_BACKOFF_MS, MAX_RETRY_AFTER_MS } from './limits.ts';

/** A service's refusal that may pass. */
export class PassingError extends CairnError {
  /** What Retry-After asked for, in milliseconds. */
  readonly retryAfter: number | undefined;

  constructor(message: string, options: CairnErrorOptions & { retryAfter?: number | undefined }) {
    super(message, options);
    this.name = 'PassingError';
    this.retryAfter = options.retryAfter;
  }
}

/** Milliseconds that a Retry-After header asks for: seconds or a date (RFC 9110, section 10.2.3). */
export function retryAfterOf(header: string | null | undefined, now = Date.now()): number | undefined {
  if (header === null || header === undefined || header.trim() === '') return undefined;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

/** True of answers after which the same request may succeed. */
export function isPassingStatus(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || status >= 500;
}

/**
 * Runs `attempt` until it succeeds; only a {@link PassingError} is tried again, after a pause that grows or that the
 * service asked for.
 * @throws the last error; the signal's reason
 */
export async function retrying<T>(
  attempt: () => Promise<T>,
  signal: AbortSignal,
  attempts = MAX_ATTEMPTS,
): Promise<T> {
  for (let number = 1; ; number++) {
    signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (signal.aborted || number >= attempts || !(error instanceof PassingError)) throw error;
      if ((error.retryAfter ?? 0) > MAX_RETRY_AFTER_MS) throw error;
      await pause(error.retryAfter ?? backoff(number), signal);
    }
  }
}

/** Waits as after failure number `failures`, counted from 1. @throws the signal's reason */
export function backoffPause(failures: number, signal: AbortSignal): Promise<void> {
  return pause(backoff(failures), signal);
}

/** @throws the signal's reason */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {
    throw signal.reason;
  });
}

/** Half of it is random, so that many clients do not come back at once. */
function backoff(failures: number): number {
  const limit = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (failures - 1));
  return limit / 2 + Math.random() * (limit / 2);
}
