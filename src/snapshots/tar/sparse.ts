/** Sparse files: old GNU, and pax versions 0.0, 0.1 and 1.0 (GNU tar manual, "Storing Sparse Files"). */
import { BLOCK, MAX_SPECIAL_BYTES, TarFormatError } from './entry.ts';
import { number } from './header.ts';
import { parsePaxNumber, type PaxRecords } from './pax.ts';

/** A run of data in the file. */
export interface SparseRun {
  offset: number;
  length: number;
}

/** What a pax header says of a sparse file. */
export interface PaxSparse {
  name: string | undefined;
  size: number | undefined;
  /** Undefined: version 1.0, the map stands before the data. */
  runs: SparseRun[] | undefined;
}

/** Undefined: not sparse. @throws TarFormatError */
export function paxSparse(records: PaxRecords): PaxSparse | undefined {
  const major = records.get('GNU.sparse.major') ?? '';
  const minor = records.get('GNU.sparse.minor') ?? '';
  const map = records.get('GNU.sparse.map') ?? '';
  const versionOne = major === '1' && minor === '0';
  const versionZero =
    (major === '0' && (minor === '0' || minor === '1')) || (major === '' && minor === '' && map !== '');
  if (!versionOne && !versionZero) return undefined;
  const size = records.get('GNU.sparse.size') ?? records.get('GNU.sparse.realsize');
  return {
    name: records.get('GNU.sparse.name'),
    size: size === undefined ? undefined : parsePaxNumber('GNU.sparse.size', size),
    runs: versionOne ? undefined : pairs(map === '' ? [] : map.split(',')),
  };
}

function pairs(numbers: string[]): SparseRun[] {
  if (numbers.length % 2 !== 0) throw new TarFormatError('a sparse map has an odd number of fields');
  const runs: SparseRun[] = [];
  for (let i = 0; i < numbers.length; i += 2) {
    runs.push({
      offset: parsePaxNumber('GNU.sparse.map', numbers[i] ?? ''),
      length: parsePaxNumber('GNU.sparse.map', numbers[i + 1] ?? ''),
    });
  }
  return runs;
}

/** Checks what every reader relies on: runs in order, none beyond the end. @throws TarFormatError */
export function checkRuns(runs: readonly SparseRun[], size: number): void {
  let end = 0;
  for (const run of runs) {
    if (run.offset < end || run.length < 0 || run.offset + run.length > size) {
      throw new TarFormatError('a sparse map is out of order or goes beyond the end of the file');
    }
    end = run.offset + run.length;
  }
}

/** The runs in an old GNU header (4) or one of its extension blocks (21), and whether another block follows. */
export function gnuRuns(block: Buffer, extension: boolean): { runs: SparseRun[]; more: boolean } {
  const [start, count] = extension ? [0, 21] : [386, 4];
  const runs: SparseRun[] = [];
  for (let i = 0; i < count; i++) {
    const at = start + i * 24;
    if (block[at] === 0) break;
    runs.push({
      offset: number(block, at, 12, 'sparse map'),
      length: number(block, at + 12, 12, 'sparse map'),
    });
  }
  return { runs, more: (block[start + count * 24] ?? 0) > 0 };
}

/** The size of the whole file in an old GNU header. */
export function gnuRealSize(block: Buffer): number {
  return number(block, 483, 12, 'sparse size');
}

/** Collects the map of version 1.0 block by block: a count, then offsets and lengths, a line each. */
export class SparseMapReader {
  #text = '';
  /** The whole map, once enough blocks came. @throws TarFormatError */
  add(block: Buffer): SparseRun[] | undefined {
    this.#text += block.toString('latin1', 0, BLOCK);
    if (this.#text.length > MAX_SPECIAL_BYTES) throw new TarFormatError('a sparse map is longer than 1 MiB');
    const lines = this.#text.split('\n');
    if (lines.length < 2) return undefined;
    const count = parsePaxNumber('count of the sparse map', lines[0] ?? '');
    if (count < 0) throw new TarFormatError('a sparse map has a negative count');
    return lines.length - 2 < 2 * count ? undefined : pairs(lines.slice(1, 1 + 2 * count));
  }
}
