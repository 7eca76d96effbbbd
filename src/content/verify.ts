import { CairnError } from '../errors/error.ts';
import type { Digest } from './contract.ts';
import { Digester, parseDigest } from './digest.ts';

/** What a blob must be; a field that is absent is not checked. */
export interface Expected {
  digest?: Digest;
  /** In bytes. */
  size?: number;
}

/** Bytes that are not the blob that they were to be. */
export class WrongBlobError extends CairnError {
  /** The blob that was expected. */
  readonly digest: Digest;

  constructor(digest: Digest, message: string) {
    super(message, { code: 'CORRUPT' });
    this.name = 'WrongBlobError';
    this.digest = digest;
  }
}

/** @throws WrongBlobError CORRUPT when `actual` is not what was expected */
export function checkBlob(actual: { digest: Digest; size: number }, expected: Expected): void {
  if (expected.size !== undefined && actual.size !== expected.size) {
    const digest = expected.digest ?? actual.digest;
    throw new WrongBlobError(
      digest,
      `blob ${digest} has ${actual.size} bytes, its descriptor promises ${expected.size}`,
    );
  }
  if (expected.digest !== undefined && actual.digest !== expected.digest) {
    throw new WrongBlobError(
      expected.digest,
      `blob ${expected.digest} has other content: its bytes hash to ${actual.digest}`,
    );
  }
}

/**
 * The same bytes, hashed as they pass. The consumer must not act on them for good before the stream has ended.
 *
 * @throws CairnError CORRUPT at the end when digest or size differ, earlier when there are too many bytes
 */
export async function* verified(
  bytes: AsyncIterable<Uint8Array>,
  expected: Expected,
): AsyncGenerator<Uint8Array, void, undefined> {
  const digester = new Digester(
    expected.digest === undefined ? undefined : parseDigest(expected.digest).algorithm,
  );
  for await (const chunk of bytes) {
    digester.update(chunk);
    if (expected.size !== undefined && digester.size > expected.size) {
      throw new WrongBlobError(
        expected.digest ?? digester.digest(),
        `blob ${expected.digest ?? ''} is longer than the ${expected.size} bytes of its descriptor`,
      );
    }
    yield chunk;
  }
  checkBlob({ digest: digester.digest(), size: digester.size }, expected);
}

/**
 * All bytes of a small stream.
 *
 * @throws CairnError CORRUPT when there are more than `limit`
 */
export async function collect(bytes: AsyncIterable<Uint8Array>, limit: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bytes) {
    size += chunk.length;
    if (size > limit) {
      throw new CairnError(`content is longer than the ${limit} bytes that are allowed for it`, {
        code: 'CORRUPT',
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}
