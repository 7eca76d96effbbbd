import { CairnError } from '../../errors/error.ts';

/** Reads the headers of a tar that passes by; only what an estargz table of contents says of an entry. */

export const TAR_BLOCK_BYTES = 512;
/** Longest pax header or GNU long name, as in Go's archive/tar. */
const MAX_SPECIAL_BYTES = 1024 * 1024;
const XATTR_RECORD = 'SCHILY.xattr.';

export interface TarHeader {
  typeflag: string;
  name: string;
  linkname: string;
  mode: number;
  uid: number;
  gid: number;
  uname: string;
  gname: string;
  /** Bytes of content that follow, without padding. */
  size: number;
  /** Seconds since 1970, with the fraction. */
  mtime: number;
  devMajor: number;
  devMinor: number;
  xattrs: Map<string, Buffer>;
}

/** Headers that come before the one they belong to. */
interface Pending {
  pax: Map<string, Buffer>;
  longName: string | undefined;
  longLink: string | undefined;
}

/** What a header block turned out to be. `special`: its body must be handed to {@link TarHeaders.special}. */
export type HeaderResult =
  | { kind: 'entry'; header: TarHeader }
  | { kind: 'special'; size: number }
  | { kind: 'end' };

export class TarHeaders {
  #pending: Pending = { pax: new Map(), longName: undefined, longLink: undefined };
  #specialFlag = '';

  /** @throws CairnError CORRUPT when the block is not a header */
  block(block: Buffer): HeaderResult {
    if (block.every((byte) => byte === 0)) return { kind: 'end' };
    if (number(block, 148, 8) !== checksum(block)) throw corrupt('a header has a wrong checksum');
    const typeflag = String.fromCharCode(block[156] ?? 0);
    if ('xgLK'.includes(typeflag)) {
      const size = number(block, 124, 12);
      if (size > MAX_SPECIAL_BYTES) throw corrupt('an extended header is too long');
      this.#specialFlag = typeflag;
      return { kind: 'special', size };
    }
    const { pax, longName, longLink } = this.#pending;
    this.#pending = { pax: new Map(), longName: undefined, longLink: undefined };
    const paxText = (key: string): string | undefined => {
      const value = pax.get(key)?.toString();
      return value === '' ? undefined : value;
    };
    const paxNumber = (key: string, plain: number): number => {
      const value = paxText(key);
      if (value === undefined) return plain;
      const parsed = Number(value);
      if (!Number.isFinite(parsed)) throw corrupt(`the record ${key} is not a number`);
      return parsed;
    };
    const isUstar = block.toString('latin1', 257, 263) === 'ustar\0';
    const prefix = isUstar ? text(block, 345, 155) : '';
    const name = text(block, 0, 100);
    const header: TarHeader = {
      typeflag,
      name: paxText('path') ?? longName ?? (prefix === '' ? name : `${prefix}/${name}`),
      linkname: paxText('linkpath') ?? longLink ?? text(block, 157, 100),
      mode: number(block, 100, 8),
      uid: paxNumber('uid', number(block, 108, 8)),
      gid: paxNumber('gid', number(block, 116, 8)),
      uname: paxText('uname') ?? text(block, 265, 32),
      gname: paxText('gname') ?? text(block, 297, 32),
      size: paxNumber('size', number(block, 124, 12)),
      mtime: paxNumber('mtime', number(block, 136, 12)),
      devMajor: number(block, 329, 8),
      devMinor: number(block, 337, 8),
      xattrs: new Map(),
    };
    for (const [key, value] of pax) {
      if (key.startsWith(XATTR_RECORD)) header.xattrs.set(key.slice(XATTR_RECORD.length), value);
    }
    return { kind: 'entry', header };
  }

  /** The body of a `special` header. */
  special(body: Buffer): void {
    if (this.#specialFlag === 'x') parsePax(body, this.#pending.pax);
    else if (this.#specialFlag === 'L') this.#pending.longName = text(body, 0, body.length);
    else if (this.#specialFlag === 'K') this.#pending.longLink = text(body, 0, body.length);
  }
}

/** Records are `length key=value\n`, the length counting itself (POSIX pax(1)). */
function parsePax(body: Buffer, into: Map<string, Buffer>): void {
  let at = 0;
  while (at < body.length) {
    const space = body.indexOf(0x20, at);
    const length = space === -1 ? Number.NaN : Number(body.toString('latin1', at, space));
    const equals = space === -1 ? -1 : body.indexOf(0x3d, space);
    const end = at + length;
    if (!Number.isInteger(length) || equals === -1 || end > body.length || equals >= end) {
      throw corrupt('a pax record is malformed');
    }
    into.set(body.toString('utf8', space + 1, equals), body.subarray(equals + 1, end - 1));
    at = end;
  }
}

function text(block: Buffer, at: number, length: number): string {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end === -1 ? length : end);
}

/** Octal, or GNU's base 256 with the highest bit set. */
function number(block: Buffer, at: number, length: number): number {
  const field = block.subarray(at, at + length);
  if (((field[0] ?? 0) & 0x80) !== 0) {
    let value = (field[0] ?? 0) & 0x3f;
    for (const byte of field.subarray(1)) value = value * 256 + byte;
    return value;
  }
  const digits = field
    .toString('latin1')
    .replace(/[\0 ]+$/, '')
    .trim();
  if (digits === '') return 0;
  if (!/^[0-7]+$/.test(digits)) throw corrupt('a header has an invalid number');
  return Number.parseInt(digits, 8);
}

function checksum(block: Buffer): number {
  let sum = 0;
  // The field itself counts as spaces.
  for (let i = 0; i < TAR_BLOCK_BYTES; i++) sum += i >= 148 && i < 156 ? 0x20 : (block[i] ?? 0);
  return sum;
}

function corrupt(why: string): CairnError {
  return new CairnError(`layer is not a valid tar: ${why}`, { code: 'CORRUPT' });
}
