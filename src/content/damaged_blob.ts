/** Blobs that are not the layer that they were said to be. */
import { CairnError, messageOf } from '../errors/error.ts';
import type { Digest } from './contract.ts';

/** Causes of causes are looked through up to this depth. */
const MAX_DEPTH = 20;

/** A blob that could not be unpacked, or is another layer; it is not used for this layer any more. */
export class DamagedBlobError extends CairnError {
  readonly digest: Digest;
  /** It came from its source in this build: the same would come again. */
  readonly fresh: boolean;

  constructor(digest: Digest, cause: unknown, { fresh = false }: { fresh?: boolean } = {}) {
    const known = cause instanceof CairnError ? cause : undefined;
    super(`layer blob ${digest}: ${messageOf(cause)}`, {
      code: known?.code ?? 'CORRUPT',
      hint: known?.hint,
      cause,
    });
    this.name = 'DamagedBlobError';
    this.digest = digest;
    this.fresh = fresh;
  }
}

/** The damaged blob that an error is due to, however often it was wrapped. */
export function damagedBlobOf(error: unknown): DamagedBlobError | undefined {
  let cause = error;
  for (let depth = 0; depth < MAX_DEPTH && cause instanceof Error; depth++, cause = cause.cause) {
    if (cause instanceof DamagedBlobError) return cause;
  }
  return undefined;
}
