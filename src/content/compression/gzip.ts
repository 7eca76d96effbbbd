import { promisify } from 'node:util';
import { constants, crc32, deflateRaw, zstdCompress, type ZlibOptions, type ZstdOptions } from 'node:zlib';
import { blocksOf } from './blocks.ts';
import { entropyOf } from './entropy.ts';
import { jobsInFlight, mapOrdered } from './parallel.ts';

const deflate = (block: Uint8Array, options: ZlibOptions) => promisify(deflateRaw)(block, options);
const zstd = (block: Uint8Array, options: ZstdOptions) => promisify(zstdCompress)(block, options);

/**
 * zlib's level when the user names none. Level 6, zlib's own default, is a third slower for two or three
 * percent of the size (bench/compression.ts).
 */
export const GZIP_DEFAULT_LEVEL = 4;

/** One job of the thread pool. */
const BLOCK_BYTES = 1024 * 1024;
/** What deflate can look back to: each block starts with the end of the one before as its dictionary. */
const WINDOW_BYTES = 32 * 1024;
/** Unit of the decision whether deflate is worth its time. */
const SEGMENT_BYTES = 128 * 1024;
/** Bits per byte from which on a segment is suspected to be compressed already. */
const SUSPICIOUS_ENTROPY = 7.9;
/** A suspect that zstd's fastest level cannot bring below this share is stored. */
const STORE_RATIO = 0.985;
/** Longest stored block of deflate (RFC 1951, 3.2.4). */
const STORED_MAX_BYTES = 65_535;

/** RFC 1952: no name, no time, unknown system: nothing that differs between two runs. */
const HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff);
/** An empty last block with fixed codes. */
const LAST_BLOCK = Uint8Array.of(0x03, 0x00);

interface Block {
  bytes: Uint8Array;
  dictionary: Uint8Array | undefined;
}

/**
 * gzip, one member, on all cores: blocks are deflated independently on the thread pool, each with the end of
 * its predecessor as dictionary and ended by a sync flush, and joined. The bytes depend on the input, the
 * level and the zlib of this Node only.
 *
 * @param level 0–9
 */
export async function* gzip(
  input: AsyncIterable<Uint8Array>,
  level: number = GZIP_DEFAULT_LEVEL,
): AsyncGenerator<Uint8Array, void, undefined> {
  let crc = 0;
  let size = 0;
  async function* blocks(): AsyncGenerator<Block, void, undefined> {
    let previous: Uint8Array | undefined;
    for await (const bytes of blocksOf(input, BLOCK_BYTES)) {
      crc = crc32(bytes, crc);
      size += bytes.length;
      yield { bytes, dictionary: previous?.subarray(-WINDOW_BYTES) };
      previous = bytes;
    }
  }
  yield HEADER;
  for await (const parts of mapOrdered(blocks(), jobsInFlight(), (block) => deflateBlock(block, level)))
    yield* parts;
  const trailer = Buffer.alloc(LAST_BLOCK.length + 8);
  trailer.set(LAST_BLOCK);
  trailer.writeUInt32LE(crc, LAST_BLOCK.length);
  trailer.writeUInt32LE(size % 2 ** 32, LAST_BLOCK.length + 4);
  yield trailer;
}

async function deflateBlock(block: Block, level: number): Promise<Uint8Array[]> {
  const { bytes } = block;
  const segments = segmentsOf(bytes);
  const stored = level === 0 ? segments.map(() => true) : await incompressible(bytes, segments);
  const parts = runsOf(stored).map(({ from, to, value: store }) => {
    const start = from * SEGMENT_BYTES;
    const run = bytes.subarray(start, to * SEGMENT_BYTES);
    if (store) return Promise.resolve(storedBlocks(run));
    const dictionary =
      start === 0 ? block.dictionary : bytes.subarray(Math.max(0, start - WINDOW_BYTES), start);
    return deflate(run, {
      level,
      finishFlush: constants.Z_SYNC_FLUSH,
      // Room for the whole result, so that one job does it: zlib's deflateBound() stays below this.
      chunkSize: run.length + (run.length >> 10) + 128,
      ...(dictionary === undefined ? {} : { dictionary }),
    });
  });
  return Promise.all(parts);
}

function segmentsOf(bytes: Uint8Array): Uint8Array[] {
  const segments: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; start += SEGMENT_BYTES) {
    segments.push(bytes.subarray(start, start + SEGMENT_BYTES));
  }
  return segments;
}

/**
 * True for each segment that is compressed already (archives, pictures): deflate would spend its full time on it and
 * win nothing. Suspects that are neighbours are looked at together, and one by one only where they were wronged: a job
 * of the thread pool costs as much as compressing a segment.
 */
async function incompressible(bytes: Uint8Array, segments: readonly Uint8Array[]): Promise<boolean[]> {
  const stored = segments.map((segment) => entropyOf(segment) >= SUSPICIOUS_ENTROPY);
  await Promise.all(
    runsOf(stored).map(async ({ from, to, value }) => {
      if (!value || !(await isCompressible(bytes.subarray(from * SEGMENT_BYTES, to * SEGMENT_BYTES)))) return;
      const single = segments.slice(from, to);
      const verdicts = single.length === 1 ? [true] : await Promise.all(single.map(isCompressible));
      for (const [i, compressible] of verdicts.entries()) stored[from + i] = !compressible;
    }),
  );
  return stored;
}

/** Stretches of equal values: from, and up to without. */
function runsOf(values: readonly boolean[]): { from: number; to: number; value: boolean }[] {
  const runs: { from: number; to: number; value: boolean }[] = [];
  for (const [at, value] of values.entries()) {
    const last = runs.at(-1);
    if (last?.value === value) last.to = at + 1;
    else runs.push({ from: at, to: at + 1, value });
  }
  return runs;
}

/** zstd's fastest level finds out twenty times faster than deflate, repetitions included. */
async function isCompressible(suspect: Uint8Array): Promise<boolean> {
  const probe = await zstd(suspect, {
    params: { [constants.ZSTD_c_compressionLevel]: 1 },
    // As with deflate: ZSTD_compressBound() stays below this.
    chunkSize: suspect.length + (suspect.length >> 8) + 1024,
  });
  return probe.length <= suspect.length * STORE_RATIO;
}

/** RFC 1951, 3.2.4: a byte with the block type 00, length, its complement, the bytes. */
function storedBlocks(bytes: Uint8Array): Uint8Array {
  const count = Math.ceil(bytes.length / STORED_MAX_BYTES);
  const out = Buffer.allocUnsafe(bytes.length + 5 * count);
  let at = 0;
  for (let start = 0; start < bytes.length; start += STORED_MAX_BYTES) {
    const part = bytes.subarray(start, start + STORED_MAX_BYTES);
    at = out.writeUInt8(0, at);
    at = out.writeUInt16LE(part.length, at);
    at = out.writeUInt16LE(~part.length & 0xffff, at);
    out.set(part, at);
    at += part.length;
  }
  return out;
}
