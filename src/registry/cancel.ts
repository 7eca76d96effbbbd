/** Giving up: the error for it, and waiting that can be given up. */
import { CairnError } from '../errors/error.ts';

/** The error of an operation that its caller gave up; the signal's reason where that is an error of ours. */
export function canceled(signal?: AbortSignal): CairnError {
  const reason: unknown = signal?.reason;
  return reason instanceof CairnError
    ? reason
    : new CairnError('context canceled', { code: 'CANCELED', cause: reason });
}

/** Waits. @throws CairnError CANCELED when the signal fires */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((done, fail) => {
    if (signal?.aborted === true) {
      fail(canceled(signal));
      return;
    }
    const onAbort = (): void => {
      clearTimeout(timer);
      fail(canceled(signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      done();
    }, milliseconds);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
