import { CairnError } from '../../errors/error.ts';

/** RFC 8878, 3.1.1. */
export const ZSTD_MAGIC = 0xfd2fb528;
/** RFC 8878, 3.1.2: 0x184D2A50 to 0x184D2A5F. */
export const SKIPPABLE_MAGIC = 0x184d2a50;
export const SKIPPABLE_MASK = 0xfffffff0;

const FRAME_HEADER_MAX_BYTES = 18;
const CHECKSUM_BYTES = 4;
const BLOCK_HEADER_BYTES = 3;
const RLE_BLOCK = 1;
const RESERVED_BLOCK = 3;
/** RFC 8878, 3.1.1.2.4: no block is larger. */
const BLOCK_MAX_BYTES = 128 * 1024;

/** A piece of a frame, in order. `first` and `last` mark its ends. */
export interface FramePiece {
  bytes: Uint8Array;
  first: boolean;
  last: boolean;
  /** Decompressed size of the frame where its header says so. */
  contentSize: number | undefined;
}

/**
 * Cuts a zstd stream into its frames by walking the block headers, without decompressing; skippable frames are
 * left out. Needed because Node 24's decoder stops after the first frame.
 *
 * @throws CairnError CORRUPT when the stream is cut short or is not zstd
 */
export async function* zstdFrames(
  input: AsyncIterable<Uint8Array>,
): AsyncGenerator<FramePiece, void, undefined> {
  const reader = new ByteReader(input);
  for (;;) {
    const magic = await reader.peek(4);
    if (magic.length === 0) return;
    const number = magic.length === 4 ? magic.readUInt32LE(0) : 0;
    if ((number & SKIPPABLE_MASK) >>> 0 === SKIPPABLE_MAGIC) {
      const header = await reader.take(8);
      await reader.skip(header.readUInt32LE(4));
    } else if (number === ZSTD_MAGIC) {
      yield* frame(reader);
    } else {
      throw new CairnError('zstd stream has something other than a frame in it', { code: 'CORRUPT' });
    }
  }
}

async function* frame(reader: ByteReader): AsyncGenerator<FramePiece, void, undefined> {
  const start = await reader.peek(FRAME_HEADER_MAX_BYTES);
  const descriptor = start[4] ?? 0;
  const fcsFlag = descriptor >> 6;
  const singleSegment = (descriptor & 0x20) !== 0;
  const hasChecksum = (descriptor & 0x04) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const fcsBytes = fcsFlag === 0 ? (singleSegment ? 1 : 0) : 1 << fcsFlag;
  const fcsAt = 5 + (singleSegment ? 0 : 1) + dictionaryBytes;
  const header = await reader.take(fcsAt + fcsBytes);
  const contentSize = frameContentSize(header, fcsAt, fcsBytes);
  yield { bytes: header, first: true, last: false, contentSize };
  for (;;) {
    const blockHeader = await reader.take(BLOCK_HEADER_BYTES);
    const value = blockHeader.readUIntLE(0, BLOCK_HEADER_BYTES);
    const lastBlock = (value & 1) !== 0;
    const type = (value >> 1) & 3;
    const size = value >> 3;
    if (type === RESERVED_BLOCK || (type !== RLE_BLOCK && size > BLOCK_MAX_BYTES)) {
      throw new CairnError('zstd stream has an invalid block', { code: 'CORRUPT' });
    }
    const rest = (type === RLE_BLOCK ? 1 : size) + (lastBlock && hasChecksum ? CHECKSUM_BYTES : 0);
    const bytes = Buffer.concat([blockHeader, await reader.take(rest)]);
    yield { bytes, first: false, last: lastBlock, contentSize };
    if (lastBlock) return;
  }
}

function frameContentSize(header: Buffer, at: number, length: number): number | undefined {
  if (length === 0) return undefined;
  if (length === 1) return header.readUInt8(at);
  if (length === 2) return header.readUInt16LE(at) + 256;
  if (length === 4) return header.readUInt32LE(at);
  return Number(header.readBigUInt64LE(at));
}

/** Exact numbers of bytes from a stream of chunks. */
class ByteReader {
  readonly #input: AsyncIterator<Uint8Array>;
  #buffer: Buffer = Buffer.alloc(0);
  #ended = false;

  constructor(input: AsyncIterable<Uint8Array>) {
    this.#input = input[Symbol.asyncIterator]();
  }

  /** Up to `length` bytes, fewer only at the end of the stream; they stay. */
  async peek(length: number): Promise<Buffer> {
    while (this.#buffer.length < length && !this.#ended) await this.#fill();
    return this.#buffer.subarray(0, length);
  }

  async take(length: number): Promise<Buffer> {
    const bytes = await this.peek(length);
    if (bytes.length < length) throw truncated();
    this.#buffer = this.#buffer.subarray(length);
    return bytes;
  }

  async skip(length: number): Promise<void> {
    let left = length;
    while (left > 0) {
      if (this.#buffer.length === 0) await this.#fill();
      if (this.#buffer.length === 0 && this.#ended) throw truncated();
      const step = Math.min(left, this.#buffer.length);
      this.#buffer = this.#buffer.subarray(step);
      left -= step;
    }
  }

  async #fill(): Promise<void> {
    const next = await this.#input.next();
    if (next.done === true) {
      this.#ended = true;
    } else {
      const chunk = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.length);
      this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
    }
  }
}

function truncated(): CairnError {
  return new CairnError('zstd stream ends in the middle of a frame', { code: 'CORRUPT' });
}
