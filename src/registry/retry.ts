/** Doing a request again when the failure may pass: bounded, with growing pauses, and as the server asks. */
import { CairnError } from '../errors/error.ts';
import { pause } from './cancel.ts';
import { FIRST_BACKOFF_MS, MAX_BACKOFF_MS, MAX_RETRY_AFTER_MS, MAX_TIMEOUT_ATTEMPTS } from './limits.ts';
import { isTransient } from './network_error.ts';
import { RegistryError } from './registry_error.ts';

const PASSING_STATUS = new Set([408, 425, 429, 500, 502, 503, 504]);

/** True when the same request may succeed in a moment. */
export function mayPass(error: unknown): boolean {
  if (error instanceof RegistryError) {
    return PASSING_STATUS.has(error.status) && (error.retryAfter ?? 0) <= MAX_RETRY_AFTER_MS;
  }
  return error instanceof CairnError && isTransient(error);
}

/** How long to wait after failure number `failures` (from 1), in milliseconds. */
export function backoff(failures: number, error: unknown): number {
  if (error instanceof RegistryError && error.retryAfter !== undefined) return error.retryAfter;
  const limit = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (failures - 1));
  // Half of it is random, so that many clients do not come back at once.
  return limit / 2 + Math.random() * (limit / 2);
}

/**
 * Runs `attempt` until it succeeds, at most `attempts` times.
 * @throws the last error
 */
export async function retrying<T>(
  attempts: number,
  signal: AbortSignal | undefined,
  attempt: (number: number) => Promise<T>,
): Promise<T> {
  for (let number = 1; ; number++) {
    try {
      return await attempt(number);
    } catch (error) {
      const timedOut = error instanceof CairnError && error.code === 'TIMEOUT';
      const limit = timedOut ? Math.min(attempts, MAX_TIMEOUT_ATTEMPTS) : attempts;
      if (number >= limit || signal?.aborted === true || !mayPass(error)) throw error;
      await pause(backoff(number, error), signal);
    }
  }
}
