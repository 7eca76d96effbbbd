/**
 * Reads tar streams of every kind that is met in layers and in ADD: v7, ustar, pax, GNU (long names, sparse),
 * star. Bytes are pushed in; entries and data come out by synchronous calls, so nothing waits per file.
 * Where the formats leave room it decides as Go's archive/tar does; global pax headers are skipped, as
 * containerd and moby do.
 */
import { CairnError } from '../../errors/error.ts';
import { displayName } from '../names.ts';
import { BLOCK, MAX_SPECIAL_BYTES, TarFormatError, XATTR_RECORD, type TarEntry } from './entry.ts';
import { ENTRY_TYPES, parseHeader, text, type RawHeader } from './header.ts';
import { parsePax, parsePaxNumber, parsePaxTime, type PaxRecords } from './pax.ts';
import { checkRuns, gnuRealSize, gnuRuns, paxSparse, SparseMapReader, type SparseRun } from './sparse.ts';

export interface TarHandler {
  /** A new entry. Data of a file follows, then {@link close}. */
  entry(entry: TarEntry): void;
  /** Bytes of the current file at `position`. Valid only during the call. Holes are not reported. */
  data(bytes: Uint8Array, position: number): void;
  /** The current entry is complete. */
  close(): void;
}

type State =
  | { kind: 'header' }
  /** Body of a pax header or a GNU long name. */
  | { kind: 'special'; flag: string; parts: Buffer[] }
  | { kind: 'gnu-sparse'; entry: TarEntry; stored: number; runs: SparseRun[] }
  | { kind: 'sparse-map'; entry: TarEntry; map: SparseMapReader; read: number; stored: number }
  | { kind: 'data'; runs: SparseRun[] | undefined; run: number; position: number }
  | { kind: 'end' };

export class TarReader {
  readonly #handler: TarHandler;
  #state: State = { kind: 'header' };
  /** Part of a block that the last chunk ended in. */
  readonly #partial: Buffer = Buffer.alloc(BLOCK);
  #partialLength = 0;
  /** Bytes of content before the padding, then of padding, that the state still expects. */
  #left = 0;
  #padding = 0;
  #zeroBlocks = 0;
  #pax: PaxRecords | undefined;
  #longName = '';
  #longLink = '';
  #current = '';

  constructor(handler: TarHandler) {
    this.#handler = handler;
  }

  /** Name of the entry that is being read, for messages; empty before the first. */
  get current(): string {
    return this.#current;
  }

  /** @throws CairnError CORRUPT when this is not a tar; whatever the handler throws */
  write(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let at = 0;
    while (at < bytes.length) {
      if (this.#left > 0) {
        const part = bytes.subarray(at, at + this.#left);
        this.#content(part);
        at += part.length;
        this.#left -= part.length;
        if (this.#left === 0) this.#contentEnds();
      } else if (this.#padding > 0) {
        const skip = Math.min(this.#padding, bytes.length - at);
        this.#padding -= skip;
        at += skip;
      } else if (this.#state.kind === 'end') {
        return;
      } else if (this.#partialLength === 0 && bytes.length - at >= BLOCK) {
        this.#block(bytes.subarray(at, at + BLOCK));
        at += BLOCK;
      } else {
        const take = Math.min(BLOCK - this.#partialLength, bytes.length - at);
        bytes.copy(this.#partial, this.#partialLength, at, at + take);
        at += take;
        this.#partialLength += take;
        if (this.#partialLength === BLOCK) {
          this.#partialLength = 0;
          this.#block(this.#partial);
        }
      }
    }
  }

  /** Call after the last chunk. @throws CairnError CORRUPT when the stream stops inside an entry */
  end(): void {
    const between = this.#state.kind === 'header' || this.#state.kind === 'end';
    if (!between || this.#partialLength > 0 || this.#left > 0 || this.#padding > 0) {
      throw this.#corrupt('the archive is cut off');
    }
  }

  #block(block: Buffer): void {
    try {
      const state = this.#state;
      if (state.kind === 'gnu-sparse') {
        const { runs, more } = gnuRuns(block, true);
        state.runs.push(...runs);
        if (state.runs.length > MAX_SPECIAL_BYTES / 24)
          throw new TarFormatError('a sparse map is longer than 1 MiB');
        if (!more) this.#startSparse(state.entry, state.stored, state.runs);
      } else if (state.kind === 'sparse-map') {
        state.read += BLOCK;
        if (state.read > state.stored) throw new TarFormatError('a sparse map is longer than its entry');
        const runs = state.map.add(block);
        if (runs !== undefined) this.#startSparse(state.entry, state.stored - state.read, runs);
      } else {
        this.#header(block);
      }
    } catch (error) {
      throw error instanceof TarFormatError ? this.#corrupt(error.message, error) : error;
    }
  }

  #header(block: Buffer): void {
    if (isZero(block)) {
      if (++this.#zeroBlocks === 2) this.#state = { kind: 'end' };
      return;
    }
    if (this.#zeroBlocks > 0) throw new TarFormatError('a block of zeros is followed by more entries');
    const header = parseHeader(block);
    if (header.entry.size < 0) throw new TarFormatError('an entry has a negative size');
    switch (header.flag) {
      case 'x':
      case 'g':
      case 'L':
      case 'K':
        if (header.entry.size > MAX_SPECIAL_BYTES)
          throw new TarFormatError('an extended header is longer than 1 MiB');
        this.#state = { kind: 'special', flag: header.flag, parts: [] };
        this.#expect(header.entry.size);
        if (header.entry.size === 0) this.#contentEnds();
        return;
      default:
        this.#start(header, block);
    }
  }

  /** A header that stands for a file: joins what the extended headers before it said. */
  #start(header: RawHeader, block: Buffer): void {
    const { entry } = header;
    const records = this.#pax;
    this.#current = this.#longName || records?.get('path') || entry.name;
    if (ENTRY_TYPES[header.flag] === undefined) {
      throw new CairnError(
        `tar entry ${displayName(this.#current)}: type ${JSON.stringify(header.flag)} is not supported`,
        { code: 'UNSUPPORTED' },
      );
    }
    if (records !== undefined) mergePax(entry, records);
    if (this.#longName !== '') entry.name = this.#longName;
    if (this.#longLink !== '') entry.linkname = this.#longLink;
    this.#pax = undefined;
    this.#longName = '';
    this.#longLink = '';
    if (header.flag === '\0' && entry.name.endsWith('/')) entry.type = 'dir';
    if (header.flag === 'S') {
      if (!header.gnu) throw new TarFormatError('a sparse entry is not in GNU format');
      const { runs, more } = gnuRuns(block, false);
      const stored = entry.size;
      entry.size = gnuRealSize(block);
      if (more) this.#state = { kind: 'gnu-sparse', entry, stored, runs };
      else this.#startSparse(entry, stored, runs);
      return;
    }
    const sparse = records === undefined || entry.type !== 'file' ? undefined : paxSparse(records);
    if (sparse !== undefined) {
      const stored = entry.size;
      if (sparse.name !== undefined && sparse.name !== '') entry.name = sparse.name;
      this.#current = entry.name;
      if (sparse.size !== undefined) entry.size = sparse.size;
      if (sparse.runs !== undefined) this.#startSparse(entry, stored, sparse.runs);
      else this.#state = { kind: 'sparse-map', entry, map: new SparseMapReader(), read: 0, stored };
      return;
    }
    if (entry.type !== 'file') entry.size = 0;
    this.#open(entry, entry.size, undefined);
  }

  #startSparse(entry: TarEntry, stored: number, runs: SparseRun[]): void {
    checkRuns(runs, entry.size);
    const total = runs.reduce((sum, run) => sum + run.length, 0);
    if (total !== stored) throw new TarFormatError('a sparse map does not fit the size of its entry');
    this.#open(
      entry,
      stored,
      runs.filter((run) => run.length > 0),
    );
  }

  #open(entry: TarEntry, stored: number, runs: SparseRun[] | undefined): void {
    this.#handler.entry(entry);
    this.#state = { kind: 'data', runs, run: 0, position: runs?.[0]?.offset ?? 0 };
    this.#expect(stored);
    if (stored === 0) this.#contentEnds();
  }

  #expect(size: number): void {
    this.#left = size;
    this.#padding = (BLOCK - (size % BLOCK)) % BLOCK;
  }

  #content(part: Buffer): void {
    const state = this.#state;
    if (state.kind === 'special') {
      state.parts.push(Buffer.from(part));
      return;
    }
    if (state.kind !== 'data') return;
    if (state.runs === undefined) {
      this.#handler.data(part, state.position);
      state.position += part.length;
      return;
    }
    let at = 0;
    while (at < part.length) {
      const run = state.runs[state.run];
      if (run === undefined) return;
      const length = Math.min(part.length - at, run.offset + run.length - state.position);
      this.#handler.data(part.subarray(at, at + length), state.position);
      at += length;
      state.position += length;
      if (state.position === run.offset + run.length) {
        state.run++;
        state.position = state.runs[state.run]?.offset ?? 0;
      }
    }
  }

  #contentEnds(): void {
    const state = this.#state;
    this.#state = { kind: 'header' };
    if (state.kind === 'data') {
      this.#handler.close();
      return;
    }
    if (state.kind !== 'special') return;
    const body = Buffer.concat(state.parts);
    if (state.flag === 'L') this.#longName = text(body, 0, body.length);
    else if (state.flag === 'K') this.#longLink = text(body, 0, body.length);
    else if (state.flag === 'x') this.#pax = this.#parsed(body);
    else this.#parsed(body);
  }

  #parsed(body: Buffer): PaxRecords {
    try {
      return parsePax(body);
    } catch (error) {
      throw error instanceof TarFormatError ? this.#corrupt(error.message, error) : error;
    }
  }

  #corrupt(what: string, cause?: unknown): CairnError {
    const where = this.#current === '' ? '' : ` at or after entry ${displayName(this.#current)}`;
    return new CairnError(`invalid tar archive${where}: ${what}`, { code: 'CORRUPT', cause });
  }
}

/** An empty value leaves what the header says. @throws TarFormatError */
function mergePax(entry: TarEntry, records: PaxRecords): void {
  let xattrs: Map<string, Uint8Array> | undefined;
  for (const [key, value] of records) {
    if (value === '') continue;
    switch (key) {
      case 'path':
        entry.name = value;
        break;
      case 'linkpath':
        entry.linkname = value;
        break;
      case 'uid':
      case 'gid':
      case 'size':
        entry[key] = parsePaxNumber(key, value);
        break;
      case 'mtime':
        Object.assign(entry, parsePaxTime(value));
        break;
      default:
        if (key.startsWith(XATTR_RECORD)) {
          xattrs ??= new Map();
          xattrs.set(key.slice(XATTR_RECORD.length), Buffer.from(value, 'latin1'));
        }
    }
  }
  if (entry.size < 0) throw new TarFormatError('an entry has a negative size');
  entry.xattrs = xattrs;
}

const ZERO = Buffer.alloc(BLOCK);
function isZero(block: Buffer): boolean {
  return block[0] === 0 && block.equals(ZERO);
}
