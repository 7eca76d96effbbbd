/** Reads pax extended headers: records `LENGTH KEY=VALUE\n` (POSIX pax(1), "pax Extended Header"). */
import { TarFormatError } from './entry.ts';

/** Records by key; keys and values are binary strings. The sparse records of GNU's version 0.0 become one map. */
export type PaxRecords = Map<string, string>;

/** @throws TarFormatError */
export function parsePax(body: Buffer): PaxRecords {
  const records: PaxRecords = new Map();
  const sparse: string[] = [];
  let at = 0;
  while (at < body.length) {
    const space = body.indexOf(0x20, at);
    const digits = space === -1 ? '' : body.toString('latin1', at, space);
    const length = /^\d{1,10}$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    if (length < 5 || end > body.length || end <= space + 1 || body[end - 1] !== 0x0a) {
      throw new TarFormatError('a pax record has a wrong length');
    }
    const equals = body.indexOf(0x3d, space);
    if (equals === -1 || equals >= end) throw new TarFormatError('a pax record has no value');
    const key = body.toString('latin1', space + 1, equals);
    const value = body.toString('latin1', equals + 1, end - 1);
    if (key === '' || key.includes('\0')) throw new TarFormatError('a pax record has no valid key');
    if (NO_NUL.has(key) && value.includes('\0'))
      throw new TarFormatError(`the pax record ${key} has a NUL in it`);
    at = end;
    if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes') {
      const wanted = sparse.length % 2 === 0 ? 'GNU.sparse.offset' : 'GNU.sparse.numbytes';
      if (key !== wanted || value.includes(',')) throw new TarFormatError('sparse records are out of order');
      sparse.push(value);
    } else {
      records.set(key, value);
    }
  }
  if (sparse.length > 0) records.set('GNU.sparse.map', sparse.join(','));
  return records;
}

const NO_NUL = new Set(['path', 'linkpath', 'uname', 'gname']);

/** `SECONDS[.FRACTION]`, possibly negative. @throws TarFormatError */
export function parsePaxTime(text: string): { mtime: number; mtimeNs: number } {
  const match = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(text);
  if (match === null) throw new TarFormatError(`the pax time ${JSON.stringify(text)} is not a number`);
  const seconds = Number(match[2]);
  const ns = Number((match[3] ?? '').slice(0, 9).padEnd(9, '0'));
  if (match[1] === '') return { mtime: seconds, mtimeNs: ns };
  return ns === 0 ? { mtime: -seconds, mtimeNs: 0 } : { mtime: -seconds - 1, mtimeNs: 1e9 - ns };
}

/** A decimal number that a double can hold exactly. @throws TarFormatError */
export function parsePaxNumber(key: string, text: string): number {
  const value = /^-?\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new TarFormatError(`the pax record ${key} is not a number`);
  return value;
}
