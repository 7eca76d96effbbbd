import { promisify } from 'node:util';
import { gzip as gzipMember, type ZlibOptions } from 'node:zlib';
import { CairnError } from '../../errors/error.ts';
import type { Digest } from '../contract.ts';
import { Digester } from '../digest.ts';
import { footer, TableOfContents, tocTar, type TocEntry } from './estargz_toc.ts';
import { GZIP_DEFAULT_LEVEL } from './gzip.ts';
import { jobsInFlight, mapOrdered } from './parallel.ts';
import { TAR_BLOCK_BYTES, TarHeaders } from './tar_headers.ts';

const compress = (bytes: Uint8Array, options: ZlibOptions) => promisify(gzipMember)(bytes, options);

/** Bytes of one chunk of a file; larger files have several (the format's default). */
const CHUNK_BYTES = 4 * 1024 * 1024;
/** A member with headers only is cut here, so that memory stays bounded. */
const MAX_MEMBER_BYTES = 8 * 1024 * 1024;

/** Filled when the last byte has been read. */
export interface EstargzSummary {
  /** Of the uncompressed stream, the table of contents included. */
  diffID: Digest;
  uncompressedSize: number;
  tocDigest: Digest;
}

/** One gzip member before compression, and the entry whose data it begins with. */
interface Member {
  bytes: Uint8Array;
  entry: TocEntry | undefined;
}

/**
 * estargz: a gzip blob in which each file's chunks begin a member of their own and a table of contents at the
 * end says where. The layer's tar is kept byte for byte, as by BuildKit, which therefore writes no landmarks.
 * Members are compressed in parallel.
 *
 * @throws CairnError CORRUPT when the input is not a tar; UNSUPPORTED when it has a `stargz.index.json`
 */
export async function* estargz(
  tar: AsyncIterable<Uint8Array>,
  level: number = GZIP_DEFAULT_LEVEL,
  done: (summary: EstargzSummary) => void = () => {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const toc = new TableOfContents();
  const digester = new Digester();
  const job = async ({
    bytes,
    entry,
  }: Member): Promise<{ bytes: Uint8Array; entry: TocEntry | undefined }> => ({
    bytes: await compress(bytes, { level, chunkSize: bytes.length + (bytes.length >> 10) + 128 }),
    entry,
  });
  let offset = 0;
  for await (const { bytes, entry } of mapOrdered(members(tar, toc, digester), jobsInFlight(), job)) {
    if (entry !== undefined && offset > 0) entry.offset = offset;
    offset += bytes.length;
    yield bytes;
  }
  const { json, digest } = toc.finish();
  const table = tocTar(json);
  digester.update(table);
  yield await compress(table, { level });
  yield footer(offset);
  done({ diffID: digester.digest(), uncompressedSize: digester.size, tocDigest: digest });
}

async function* members(
  tar: AsyncIterable<Uint8Array>,
  toc: TableOfContents,
  digester: Digester,
): AsyncGenerator<Member, void, undefined> {
  const splitter = new Splitter(toc);
  for await (const chunk of tar) {
    digester.update(chunk);
    splitter.write(chunk);
    yield* splitter.ready();
  }
  splitter.end();
  yield* splitter.ready();
}

/** A file whose content passes; `left` and `offset` in bytes. */
interface OpenFile {
  left: number;
  offset: number;
  first: TocEntry;
  digester: Digester;
}

interface OpenChunk {
  entry: TocEntry;
  left: number;
  digester: Digester;
}

/** Follows the tar and cuts it before each chunk of a file. */
class Splitter {
  readonly #toc: TableOfContents;
  readonly #headers = new TarHeaders();
  #finished: Member[] = [];
  #parts: Uint8Array[] = [];
  #length = 0;
  #entry: TocEntry | undefined;
  #ended = false;
  /** A header or the body of an extended one, until it is complete. */
  #gathered: Buffer[] = [];
  #gatheredLength = 0;
  /** Padded size of the extended header's body that is being gathered; 0: a header is. */
  #special = { size: 0, padded: 0 };
  /** The file whose content passes. */
  #file: OpenFile | undefined;
  #chunk: OpenChunk | undefined;
  #padding = 0;

  constructor(toc: TableOfContents) {
    this.#toc = toc;
  }

  /** Members that are complete. */
  ready(): Member[] {
    const members = this.#finished;
    this.#finished = [];
    return members;
  }

  write(input: Uint8Array): void {
    let bytes = input;
    while (bytes.length > 0) {
      const taken = this.#take(bytes);
      this.#append(bytes.subarray(0, taken));
      bytes = bytes.subarray(taken);
    }
  }

  end(): void {
    if (!this.#ended && (this.#file !== undefined || this.#padding > 0 || this.#gatheredLength > 0)) {
      throw new CairnError('layer is not a valid tar: it is cut off', { code: 'CORRUPT' });
    }
    this.#cut(undefined);
  }

  /** Looks at the start of `bytes`; returns how many of them belong to what comes next. */
  #take(bytes: Uint8Array): number {
    if (this.#ended) return bytes.length;
    if (this.#chunk === undefined && this.#file !== undefined) this.#startChunk(this.#file);
    if (this.#chunk !== undefined) return this.#content(bytes, this.#chunk);
    if (this.#padding > 0) {
      const length = Math.min(this.#padding, bytes.length);
      this.#padding -= length;
      return length;
    }
    const wanted = this.#special.padded > 0 ? this.#special.padded : TAR_BLOCK_BYTES;
    const length = Math.min(wanted - this.#gatheredLength, bytes.length);
    this.#gathered.push(Buffer.from(bytes.buffer, bytes.byteOffset, length));
    this.#gatheredLength += length;
    if (this.#gatheredLength === wanted) this.#gatheredAll();
    return length;
  }

  #gatheredAll(): void {
    const whole = Buffer.concat(this.#gathered);
    this.#gathered = [];
    this.#gatheredLength = 0;
    if (this.#special.padded > 0) {
      this.#headers.special(whole.subarray(0, this.#special.size));
      this.#special = { size: 0, padded: 0 };
      return;
    }
    const result = this.#headers.block(whole);
    if (result.kind === 'end') {
      this.#ended = true;
    } else if (result.kind === 'special') {
      this.#special = { size: result.size, padded: padded(result.size) };
    } else {
      const { header } = result;
      const entry = this.#toc.add(header);
      if (entry.type !== 'reg') {
        // Only files have content, whatever the size says.
        return;
      }
      const digester = new Digester();
      if (header.size === 0) entry.digest = digester.digest();
      else this.#file = { left: header.size, offset: 0, first: entry, digester };
      this.#padding = padded(header.size) - header.size;
    }
  }

  #startChunk(file: OpenFile): void {
    const first = file.offset === 0;
    const entry: TocEntry = first ? file.first : { name: file.first.name, type: 'chunk' };
    if (!first) {
      this.#toc.entries.push(entry);
      entry.chunkOffset = file.offset;
    }
    // A chunk that reaches the end of its file does not state its size, unless it is a full one.
    if (file.left >= CHUNK_BYTES) entry.chunkSize = CHUNK_BYTES;
    this.#cut(entry);
    this.#chunk = { entry, left: Math.min(file.left, CHUNK_BYTES), digester: new Digester() };
  }

  #content(bytes: Uint8Array, chunk: OpenChunk): number {
    const file = this.#file;
    if (file === undefined) throw new Error('a chunk without a file');
    const part = bytes.subarray(0, chunk.left);
    chunk.digester.update(part);
    file.digester.update(part);
    chunk.left -= part.length;
    file.left -= part.length;
    file.offset += part.length;
    if (chunk.left === 0) {
      chunk.entry.chunkDigest = chunk.digester.digest();
      this.#chunk = undefined;
      if (file.left === 0) {
        file.first.digest = file.digester.digest();
        this.#file = undefined;
      }
    }
    return part.length;
  }

  #append(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#length += bytes.length;
    if (this.#length >= MAX_MEMBER_BYTES) this.#cut(undefined);
  }

  /** Ends the member; the next begins with the data of `entry`. */
  #cut(entry: TocEntry | undefined): void {
    if (this.#length > 0) {
      this.#finished.push({ bytes: Buffer.concat(this.#parts, this.#length), entry: this.#entry });
    }
    this.#parts = [];
    this.#length = 0;
    this.#entry = entry;
  }
}

function padded(size: number): number {
  return Math.ceil(size / TAR_BLOCK_BYTES) * TAR_BLOCK_BYTES;
}
