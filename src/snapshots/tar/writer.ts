/**
 * Writes tar streams that are equal byte for byte to those of Go's archive/tar (Go 1.26) for a header with
 * format PAX: ustar wherever it can say everything, else a pax extended header before it.
 */
import { readSync } from 'node:fs';
import { CairnError } from '../../errors/error.ts';
import { displayName, isAscii } from '../names.ts';
import { BLOCK, MAX_SPECIAL_BYTES, TYPE_FLAGS, XATTR_RECORD, type TarEntry } from './entry.ts';

/** Size of the chunks that are handed on. */
export const CHUNK_BYTES = 1 << 20;
const NAME_BYTES = 100;
const PREFIX_BYTES = 155;

export class TarWriter {
  readonly #sink: (chunk: Uint8Array<ArrayBuffer>) => void;
  #chunk: Buffer<ArrayBuffer> = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  #used = 0;

  readonly #subSecond: boolean;

  /**
   * `sink` owns each chunk: its buffer may be transferred to another thread. With `subSecond`, times keep
   * their nanoseconds (in pax records); layers have whole seconds.
   */
  constructor(sink: (chunk: Uint8Array<ArrayBuffer>) => void, options: { subSecond?: boolean } = {}) {
    this.#sink = sink;
    this.#subSecond = options.subSecond ?? false;
  }

  /** Writes the header; the content of a file follows by {@link data} or {@link copy}, then {@link pad}. */
  header(entry: TarEntry): void {
    const name = entry.type === 'dir' ? `${entry.name}/` : entry.name;
    const records = paxRecords(entry, name, this.#subSecond);
    if (records === undefined) {
      const split = splitName(name);
      this.#ustar(entry, split?.suffix ?? name, entry.linkname, split?.prefix ?? '');
      return;
    }
    const body = records
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => formatRecord(key, value))
      .join('');
    if (body.length > MAX_SPECIAL_BYTES) {
      throw new CairnError(
        `${displayName(entry.name)}: extended attributes above 1 MiB do not fit into a tar`,
        {
          code: 'UNSUPPORTED',
        },
      );
    }
    this.#paxHeader(name, body);
    this.#ustar(entry, dropNonAscii(name), dropNonAscii(entry.linkname), '');
  }

  /** Content bytes; copied. */
  data(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      this.#makeRoom();
      const length = Math.min(bytes.length - at, this.#chunk.length - this.#used);
      this.#chunk.set(bytes.subarray(at, at + length), this.#used);
      this.#used += length;
      at += length;
    }
  }

  /**
   * `length` bytes of an open file from `position`, read straight into the chunks.
   * @returns bytes that were there; less than `length` when the file is shorter
   */
  copy(fd: number, length: number, position: number): number {
    let copied = 0;
    while (copied < length) {
      this.#makeRoom();
      const room = Math.min(length - copied, this.#chunk.length - this.#used);
      const read = readSync(fd, this.#chunk, this.#used, room, position + copied);
      if (read === 0) break;
      this.#used += read;
      copied += read;
    }
    return copied;
  }

  /** `length` zero bytes: a hole of a sparse file. */
  zeros(length: number): void {
    let left = length;
    while (left > 0) {
      this.#makeRoom();
      const part = Math.min(left, this.#chunk.length - this.#used);
      this.#chunk.fill(0, this.#used, this.#used + part);
      this.#used += part;
      left -= part;
    }
  }

  /** Fills the last block of `size` bytes of content. */
  pad(size: number): void {
    const rest = size % BLOCK;
    if (rest !== 0) this.zeros(BLOCK - rest);
  }

  /** Two zero blocks, and the last chunk. */
  end(): void {
    this.zeros(2 * BLOCK);
    this.#flush();
  }

  #makeRoom(): void {
    if (this.#used === this.#chunk.length) {
      this.#flush();
      this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
      this.#used = 0;
    }
  }

  #flush(): void {
    if (this.#used > 0) this.#sink(this.#chunk.subarray(0, this.#used));
  }

  /** Blocks never straddle chunks: all that is written between them is padded, and a chunk is whole blocks. */
  #block(): Buffer {
    this.#makeRoom();
    const block = this.#chunk.subarray(this.#used, this.#used + BLOCK);
    block.fill(0);
    this.#used += BLOCK;
    return block;
  }

  #ustar(entry: TarEntry, name: string, linkname: string, prefix: string): void {
    const block = this.#block();
    putText(block, 0, NAME_BYTES, name);
    putOctal(block, 100, 8, entry.mode);
    putOctal(block, 108, 8, entry.uid);
    putOctal(block, 116, 8, entry.gid);
    putOctal(block, 124, 12, entry.size);
    putOctal(block, 136, 12, entry.mtime);
    block.write(TYPE_FLAGS[entry.type], 156, 'latin1');
    putText(block, 157, NAME_BYTES, linkname);
    putOctal(block, 329, 8, entry.devMajor);
    putOctal(block, 337, 8, entry.devMinor);
    if (prefix !== '') putText(block, 345, PREFIX_BYTES, prefix);
    seal(block);
  }

  #paxHeader(name: string, body: string): void {
    const slash = name.lastIndexOf('/');
    const dir = slash === -1 ? '' : cleanDirectory(name.slice(0, slash));
    const file = name.slice(slash + 1);
    const pseudo = [dir, 'PaxHeaders.0', file].filter((part) => part !== '').join('/');
    const block = this.#block();
    const shown = dropNonAscii(pseudo).slice(0, NAME_BYTES).replace(/\/+$/, '');
    putText(block, 0, NAME_BYTES, shown);
    putOctal(block, 100, 8, 0);
    putOctal(block, 108, 8, 0);
    putOctal(block, 116, 8, 0);
    putOctal(block, 124, 12, body.length);
    putOctal(block, 136, 12, 0);
    block.write('x', 156, 'latin1');
    seal(block);
    this.data(Buffer.from(body, 'latin1'));
    this.pad(body.length);
  }
}

/** The records that ustar cannot hold; undefined: none, and ustar it is. */
function paxRecords(entry: TarEntry, name: string, subSecond: boolean): [string, string][] | undefined {
  const records: [string, string][] = [];
  let needed = false;
  if (name.length > NAME_BYTES || !isAscii(name)) {
    records.push(['path', name]);
    if (splitName(name) === undefined) needed = true;
  }
  if (entry.linkname.length > NAME_BYTES || !isAscii(entry.linkname)) {
    records.push(['linkpath', entry.linkname]);
    needed = true;
  }
  for (const [key, value, width] of [
    ['uid', entry.uid, 8],
    ['gid', entry.gid, 8],
    ['size', entry.size, 12],
    ...(subSecond && entry.mtimeNs !== 0 ? [] : [['mtime', entry.mtime, 12] as const]),
  ] as const) {
    if (fitsOctal(value, width)) continue;
    records.push([key, String(value)]);
    needed = true;
  }
  if (subSecond && entry.mtimeNs !== 0) {
    records.push(['mtime', formatTime(entry.mtime, entry.mtimeNs)]);
    needed = true;
  }
  for (const [key, value] of entry.xattrs ?? []) {
    records.push([XATTR_RECORD + key, Buffer.from(value).toString('latin1')]);
    needed = true;
  }
  return needed ? records : undefined;
}

/** `LENGTH KEY=VALUE\n`, the length counting itself. */
function formatRecord(key: string, value: string): string {
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  if (rest + String(length).length !== length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

/** `SECONDS.FRACTION`, without zeros at the end. */
function formatTime(seconds: number, ns: number): string {
  const [sign, whole, rest] = seconds < 0 ? ['-', -(seconds + 1), 1e9 - ns] : ['', seconds, ns];
  return `${sign}${whole}.${String(rest).padStart(9, '0')}`.replace(/0+$/, '');
}

/** Where ustar divides a long name between its prefix and name fields. */
function splitName(name: string): { prefix: string; suffix: string } | undefined {
  if (name.length <= NAME_BYTES || !isAscii(name)) return undefined;
  let length = name.length;
  if (length > PREFIX_BYTES + 1) length = PREFIX_BYTES + 1;
  else if (name.endsWith('/')) length--;
  const at = name.lastIndexOf('/', length - 1);
  const suffix = name.length - at - 1;
  if (at <= 0 || suffix > NAME_BYTES || suffix === 0 || at > PREFIX_BYTES) return undefined;
  return { prefix: name.slice(0, at), suffix: name.slice(at + 1) };
}

/** Go's path.Join also cleans; names here are clean but for what hostile sources put in. */
function cleanDirectory(dir: string): string {
  return dir.replace(/\/{2,}/g, '/');
}

function dropNonAscii(text: string): string {
  return isAscii(text) ? text : Array.from(text, (c) => (c.charCodeAt(0) < 0x80 ? c : '')).join('');
}

/** A text field. A name that is cut off must not end in a slash: readers would take the file for a directory. */
function putText(block: Buffer, at: number, width: number, text: string): void {
  if (text === '') return;
  if (text.length <= width) {
    block.write(text, at, 'latin1');
    return;
  }
  let cut = text.slice(0, width);
  if (cut.endsWith('/')) {
    const end = cut.slice(0, -1).replace(/\/+$/, '').length;
    cut = `${cut.slice(0, end)}\0${cut.slice(end + 1)}`;
  }
  block.write(cut, at, 'latin1');
}

function fitsOctal(value: number, width: number): boolean {
  return value >= 0 && value < 8 ** (width - 1);
}

/** Zero where the number does not fit: the pax record counts then. */
function putOctal(block: Buffer, at: number, width: number, value: number): void {
  let rest = fitsOctal(value, width) ? value : 0;
  for (let i = at + width - 2; i >= at; i--) {
    block[i] = 0x30 + (rest % 8);
    rest = Math.floor(rest / 8);
  }
}

/** Magic, version and checksum. */
function seal(block: Buffer): void {
  block.set(MAGIC, 257);
  block.fill(0x20, 148, 156);
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += block[i] as number;
  putOctal(block, 148, 7, sum);
  block[154] = 0;
  block[155] = 0x20;
}

const MAGIC = Buffer.from('ustar\u000000', 'latin1');
