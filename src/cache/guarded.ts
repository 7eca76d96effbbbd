/** Blobs of imported caches, read so that it is known whose fault a failure was. */
import type { BlobProvider, Digest } from '../content/contract.ts';
import { verified } from '../content/verify.ts';
import { CairnError, messageOf } from '../errors/error.ts';

/** A blob of an imported cache that cannot be read, or is not what was promised. */
export class CacheReadError extends CairnError {
  /** Name of the cache, as in KeySource. */
  readonly cache: string;
  readonly digest: Digest;

  constructor(cache: string, digest: Digest, cause: unknown) {
    super(`blob ${digest} of cache ${cache} cannot be read: ${messageOf(cause)}`, {
      code: cause instanceof CairnError ? cause.code : 'UNAVAILABLE',
      cause,
    });
    this.name = 'CacheReadError';
    this.cache = cache;
    this.digest = digest;
  }
}

/** While patience lasts; it may last so much longer, therefore. */
const LOOKS_AT_THE_CLOCK = 16;
/** Causes of causes are looked through up to this depth. */
const MAX_DEPTH = 20;

/** The failed read that an error is due to, however often it was wrapped. */
export function cacheReadErrorOf(error: unknown): CacheReadError | undefined {
  let cause = error;
  for (let depth = 0; depth < MAX_DEPTH && cause instanceof Error; depth++, cause = cause.cause) {
    if (cause instanceof CacheReadError) return cause;
  }
  return undefined;
}

/**
 * The same blobs; whole ones are checked against their digest. What fails, or stands still for too long, is a
 * {@link CacheReadError}.
 *
 * @param patience how long to wait for the next bytes, retries of the backend included; milliseconds
 */
export function guardedProvider(provider: BlobProvider, cache: string, patience: number): BlobProvider {
  return {
    async *read(blob, options) {
      const stalled = new AbortController();
      const signal = AbortSignal.any([stalled.signal, ...(options?.signal ? [options.signal] : [])]);
      const stop = (): void =>
        stalled.abort(new CairnError(`no bytes came for ${patience / 1000} s`, { code: 'TIMEOUT' }));
      try {
        const bytes = impatient(provider.read(blob, { ...options, signal }), patience, stop);
        yield* options?.range === undefined ? verified(bytes, blob) : bytes;
      } catch (error) {
        if (options?.signal?.aborted === true) throw error;
        throw new CacheReadError(cache, blob.digest, stalled.signal.aborted ? stalled.signal.reason : error);
      }
    },
  };
}

/**
 * The same bytes; `stop` is called when the next ones take too long. The time that the reader takes is not counted.
 * The clock is looked at now and then, since a timer for each chunk would cost as much as carrying it.
 */
async function* impatient(
  bytes: AsyncIterable<Uint8Array>,
  patience: number,
  stop: () => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  let waitingSince: number | undefined = performance.now();
  const clock = setInterval(() => {
    if (waitingSince !== undefined && performance.now() - waitingSince >= patience) stop();
  }, patience / LOOKS_AT_THE_CLOCK);
  try {
    for await (const chunk of bytes) {
      waitingSince = undefined;
      yield chunk;
      waitingSince = performance.now();
    }
  } finally {
    clearInterval(clock);
  }
}
