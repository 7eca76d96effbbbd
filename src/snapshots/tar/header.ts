/** Takes a tar header block apart: v7, ustar, pax, old GNU and star. */
import { BLOCK, TarFormatError, type EntryType, type TarEntry } from './entry.ts';

export interface RawHeader {
  entry: TarEntry;
  /** The type flag as it stands; `entry.type` is only right for those of {@link ENTRY_TYPES}. */
  flag: string;
  gnu: boolean;
}

export const ENTRY_TYPES: Partial<Record<string, EntryType>> = {
  '\0': 'file',
  '0': 'file',
  '7': 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'dir',
  '6': 'fifo',
  S: 'file',
};

/** @throws TarFormatError */
export function parseHeader(block: Buffer): RawHeader {
  checkSum(block);
  const magic = block.toString('latin1', 257, 265);
  const gnu = magic === 'ustar  \0';
  const ustar = magic.startsWith('ustar\0');
  const star = ustar && block.toString('latin1', 508, 512) === 'tar\0';
  const flag = String.fromCharCode(block[156] ?? 0);
  let name = text(block, 0, 100);
  if (ustar) {
    const prefix = text(block, 345, star ? 131 : 155);
    if (prefix !== '') name = `${prefix}/${name}`;
  }
  return {
    flag,
    gnu,
    entry: {
      type: ENTRY_TYPES[flag] ?? 'file',
      name,
      linkname: text(block, 157, 100),
      mode: number(block, 100, 8, 'mode') & 0o7777,
      uid: number(block, 108, 8, 'uid'),
      gid: number(block, 116, 8, 'gid'),
      size: number(block, 124, 12, 'size'),
      mtime: number(block, 136, 12, 'mtime'),
      mtimeNs: 0,
      devMajor: gnu || ustar ? number(block, 329, 8, 'device') : 0,
      devMinor: gnu || ustar ? number(block, 337, 8, 'device') : 0,
      xattrs: undefined,
    },
  };
}

/** Up to the first NUL. */
export function text(block: Buffer, at: number, width: number): string {
  const end = block.indexOf(0, at);
  return block.toString('latin1', at, end === -1 || end > at + width ? at + width : end);
}

/**
 * Octal digits with blanks or NULs around them, or GNU's base-256.
 * @throws TarFormatError when it is neither, or too large for a double
 */
export function number(block: Buffer, at: number, width: number, field: string): number {
  const first = block[at] ?? 0;
  if ((first & 0x80) === 0) {
    let value = 0;
    let i = at;
    const end = at + width;
    while (i < end && (block[i] === 0x20 || block[i] === 0)) i++;
    for (; i < end; i++) {
      const digit = (block[i] ?? 0) - 0x30;
      if (digit >= 0 && digit < 8) value = value * 8 + digit;
      else if (block[i] === 0 || block[i] === 0x20) break;
      else throw new TarFormatError(`the ${field} in the header is not a number`);
    }
    return value;
  }
  const negative = (first & 0x40) !== 0;
  let value = 0;
  for (let i = 0; i < width; i++) {
    let byte = block[at + i] ?? 0;
    if (negative) byte ^= 0xff;
    if (i === 0) byte &= 0x7f;
    value = value * 256 + byte;
    if (!Number.isSafeInteger(value)) throw new TarFormatError(`the ${field} in the header is too large`);
  }
  return negative ? -value - 1 : value;
}

/** The sum of all bytes with the checksum field as blanks; some old tars added signed bytes. */
function checkSum(block: Buffer): void {
  let unsigned = 0;
  for (let i = 0; i < BLOCK; i++) unsigned += block[i] ?? 0;
  let field = 0;
  for (let i = 148; i < 156; i++) field += block[i] ?? 0;
  const wanted = number(block, 148, 8, 'checksum');
  if (unsigned - field + 8 * 0x20 === wanted) return;
  let signed = 8 * 0x20;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) signed += ((block[i] ?? 0) << 24) >> 24;
  if (signed !== wanted) throw new TarFormatError('the checksum of a header is wrong: this is not a tar');
}
