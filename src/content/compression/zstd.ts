import { promisify } from 'node:util';
import { constants, zstdCompress, type ZstdOptions } from 'node:zlib';
import { blocksOf } from './blocks.ts';
import { jobsInFlight, mapOrdered } from './parallel.ts';

const compress = (bytes: Uint8Array, options: ZstdOptions) => promisify(zstdCompress)(bytes, options);

export const ZSTD_DEFAULT_LEVEL = 3;

/**
 * Content of one frame and of one job of the thread pool. Twice the window of level 3: smaller frames would
 * cost size, larger ones parallelism on small layers.
 */
const FRAME_BYTES = 4 * 1024 * 1024;

/**
 * zstd on all cores, as independent frames one after another (RFC 8878, 3: a decoder concatenates them). One-shot
 * calls, because Node's zstd streams lose data with workers and add empty frames depending on timing
 * (nodejs/node#59899, #66078).
 *
 * @param level 0–22; 0 is zstd's default
 */
export async function* zstd(
  input: AsyncIterable<Uint8Array>,
  level: number = ZSTD_DEFAULT_LEVEL,
): AsyncGenerator<Uint8Array, void, undefined> {
  const frame = (bytes: Uint8Array): Promise<Uint8Array> =>
    compress(bytes, {
      params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 },
      // Written into the header: decoders can then allocate once and decode frames side by side.
      pledgedSrcSize: bytes.length,
      chunkSize: bytes.length + (bytes.length >> 8) + 1024,
    });
  let empty = true;
  for await (const bytes of mapOrdered(blocksOf(input, FRAME_BYTES), jobsInFlight(), frame)) {
    empty = false;
    yield bytes;
  }
  // No frame at all would not be recognised as zstd.
  if (empty) yield await frame(new Uint8Array(0));
}
