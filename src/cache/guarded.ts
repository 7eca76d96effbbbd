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

/** The same blobs; whole ones are checked against their digest. What fails is a {@link CacheReadError}. */
export function guardedProvider(provider: BlobProvider, cache: string): BlobProvider {
  return {
    async *read(blob, options) {
      try {
        const bytes = provider.read(blob, options);
        yield* options?.range === undefined ? verified(bytes, blob) : bytes;
      } catch (error) {
        if (options?.signal?.aborted === true) throw error;
        throw new CacheReadError(cache, blob.digest, error);
      }
    },
  };
}
