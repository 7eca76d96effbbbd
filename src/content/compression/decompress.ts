import { createGunzip } from 'node:zlib';
import { CairnError } from '../../errors/error.ts';
import { OUTPUT_CHUNK_BYTES, through } from './decoder.ts';
import { unzstd } from './unzstd.ts';
import { SKIPPABLE_MAGIC, SKIPPABLE_MASK, ZSTD_MAGIC } from './zstd_frames.ts';

const MAGIC_BYTES = 4;

export type StoredCompression = 'uncompressed' | 'gzip' | 'zstd';

/** What the first bytes of a blob say; four are enough. */
export function detectCompression(start: Uint8Array): StoredCompression {
  if (start[0] === 0x1f && start[1] === 0x8b && start[2] === 8) return 'gzip';
  if (start.length < MAGIC_BYTES) return 'uncompressed';
  const magic = Buffer.from(start.buffer, start.byteOffset, MAGIC_BYTES).readUInt32LE(0);
  const skippable = (magic & SKIPPABLE_MASK) >>> 0 === SKIPPABLE_MAGIC;
  return magic === ZSTD_MAGIC || skippable ? 'zstd' : 'uncompressed';
}

export interface DecompressOptions {
  /** More bytes than this are an error, against bombs. Default: no limit. */
  limit?: number;
}

/**
 * The uncompressed bytes of a blob, whatever it is compressed with: gzip of several members (estargz too), zstd
 * of several frames, or nothing. What it gives is not verified: the caller checks the diffID.
 *
 * @throws CairnError CORRUPT when the stream is damaged, cut short or longer than the limit
 */
export async function* decompress(
  input: AsyncIterable<Uint8Array>,
  options: DecompressOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const limit = options.limit ?? Infinity;
  let size = 0;
  for await (const chunk of decoded(input)) {
    size += chunk.length;
    if (size > limit) {
      throw new CairnError(`content is longer than ${limit} bytes when it is decompressed`, {
        code: 'CORRUPT',
      });
    }
    yield chunk;
  }
}

async function* decoded(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = input[Symbol.asyncIterator]();
  const head: Uint8Array[] = [];
  let length = 0;
  let ended = false;
  try {
    while (length < MAGIC_BYTES && !ended) {
      const next = await iterator.next();
      if (next.done === true) ended = true;
      else {
        head.push(next.value);
        length += next.value.length;
      }
    }
    async function* whole(): AsyncGenerator<Uint8Array, void, undefined> {
      if (length > 0) yield Buffer.concat(head, length);
      for (;;) {
        const next = await iterator.next();
        if (next.done === true) return;
        yield next.value;
      }
    }
    const kind = detectCompression(Buffer.concat(head, length));
    if (kind === 'uncompressed') yield* whole();
    else if (kind === 'gzip')
      yield* through(createGunzip({ chunkSize: OUTPUT_CHUNK_BYTES }), whole(), 'gzip');
    else yield* unzstd(whole());
  } finally {
    if (!ended) await iterator.return?.();
  }
}
