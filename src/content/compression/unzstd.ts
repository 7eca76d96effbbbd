import { promisify } from 'node:util';
import { createZstdDecompress, zstdDecompress, type ZstdOptions } from 'node:zlib';
import { damaged, OUTPUT_CHUNK_BYTES, through } from './decoder.ts';
import { jobsInFlight } from './parallel.ts';
import { zstdFrames, type FramePiece } from './zstd_frames.ts';

const decodeFrame = (frame: Uint8Array, options: ZstdOptions) => promisify(zstdDecompress)(frame, options);

/** A frame up to this size, compressed and not, is decoded in one job beside others; larger ones are streamed. */
const ONE_SHOT_MAX_BYTES = 8 * 1024 * 1024;

/**
 * All frames of a zstd stream, one after another. Small frames, such as ours, are decoded side by side.
 *
 * @throws CairnError CORRUPT when the stream is damaged or cut short
 */
export async function* unzstd(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const limit = jobsInFlight();
  const pieces = zstdFrames(input);
  const running: Promise<Uint8Array>[] = [];
  try {
    for (;;) {
      const frame = await nextFrame(pieces);
      const streamed = frame !== undefined && !frame.complete;
      while (running.length > (frame === undefined || streamed ? 0 : limit - 1)) {
        const output = await running.shift();
        if (output !== undefined && output.length > 0) yield output;
      }
      if (frame === undefined) return;
      if (streamed) {
        const decoder = createZstdDecompress({ chunkSize: OUTPUT_CHUNK_BYTES });
        yield* through(decoder, restOfFrame(frame.start, pieces), 'zstd');
      } else {
        const started = decodeWhole(Buffer.concat(frame.start));
        // The failure is met when its turn comes; until then it must not count as unhandled.
        started.catch(() => {});
        running.push(started);
      }
    }
  } finally {
    await Promise.allSettled(running);
    await pieces.return();
  }
}

async function decodeWhole(frame: Uint8Array): Promise<Uint8Array> {
  try {
    return await decodeFrame(frame, { maxOutputLength: ONE_SHOT_MAX_BYTES, chunkSize: OUTPUT_CHUNK_BYTES });
  } catch (error) {
    throw damaged('zstd', error);
  }
}

/** The next frame, whole when it is small, else only its start; undefined at the end of the stream. */
async function nextFrame(
  pieces: AsyncGenerator<FramePiece, void, undefined>,
): Promise<{ start: Uint8Array[]; complete: boolean } | undefined> {
  const start: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const next = await pieces.next();
    if (next.done === true) return undefined;
    const { bytes, last, contentSize } = next.value;
    start.push(bytes);
    length += bytes.length;
    if (last) return { start, complete: true };
    const small = contentSize !== undefined && contentSize <= ONE_SHOT_MAX_BYTES;
    if (!small || length > ONE_SHOT_MAX_BYTES) return { start, complete: false };
  }
}

async function* restOfFrame(
  start: Uint8Array[],
  pieces: AsyncGenerator<FramePiece, void, undefined>,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield* start;
  for (;;) {
    const next = await pieces.next();
    if (next.done === true) return;
    yield next.value.bytes;
    if (next.value.last) return;
  }
}
