/**
 * Digests of a client's files remembered across builds: a file whose device, inode, size, mtime and ctime are
 * the same has the same content, mode and attributes. One row holds a directory.
 */
import { existsSync, readdirSync, type BigIntStats } from 'node:fs';
import type { Digest } from '../../content/contract.ts';
import type { Store } from '../../store/contract.ts';
import { fsPath } from '../names.ts';

/** Numbers of a file that change when anything of it changes. */
export type FileStamp = readonly [dev: bigint, ino: bigint, size: bigint, mtimeNs: bigint, ctimeNs: bigint];

const STAMP_LENGTH = 5;
const DIGEST_BYTES = 32;

/**
 * A file changed this shortly before it was read may be changed again without a new time stamp (clocks of file
 * systems tick every few milliseconds, on some only every second or two), so it is not remembered.
 */
const TICK_NS = 100_000_000n;
const COARSE_TICK_NS = 2_000_000_000n;
const SECOND_NS = 1_000_000_000n;

/** Name under which a directory's own header is kept in its row. */
export const OWN_NAME = '.';

export function stampOf(stats: BigIntStats): FileStamp {
  return [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs];
}

/** @param nowNs Unix time in ns from before the file was read */
export function isSettled(stamp: FileStamp, nowNs: bigint): boolean {
  const changed = stamp[4] > stamp[3] ? stamp[4] : stamp[3];
  return nowNs - changed > (stamp[4] % SECOND_NS === 0n ? COARSE_TICK_NS : TICK_NS);
}

/** Directories held in memory; with more, all are read from the store again. */
const MAX_DIRECTORIES = 50_000;

/** Rows that are checked with each save. */
const CHECKED_ROWS = 16;

interface Directory {
  index: Map<string, number>;
  stats: BigUint64Array;
  digests: Buffer;
  /** By name; what was learned in this build. */
  added: Map<string, { stamp: FileStamp; digest: Digest }>;
}

/** Names and directories are binary strings; {@link OWN_NAME} is the directory itself. */
export class HostMemory {
  readonly #store: Store;
  readonly #directories = new Map<string, Directory>();

  constructor(store: Store) {
    this.#store = store;
  }

  get(directory: string, name: string, stats: BigIntStats): Digest | undefined {
    const known = this.#load(directory);
    const added = known.added.get(name);
    if (added !== undefined) {
      return sameStamp(added.stamp, stampOf(stats)) ? added.digest : undefined;
    }
    const i = known.index.get(name);
    if (i === undefined) return undefined;
    const at = i * STAMP_LENGTH;
    if (
      known.stats[at] !== stats.dev ||
      known.stats[at + 1] !== stats.ino ||
      known.stats[at + 2] !== stats.size ||
      known.stats[at + 3] !== stats.mtimeNs ||
      known.stats[at + 4] !== stats.ctimeNs
    ) {
      return undefined;
    }
    return `sha256:${known.digests.toString('hex', i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES)}`;
  }

  add(directory: string, name: string, stamp: FileStamp, digest: Digest): void {
    this.#load(directory).added.set(name, { stamp, digest });
  }

  /** Writes what was added. Another process may overwrite a row at the same time: one of them hashes again later. */
  save(): void {
    const changed = [...this.#directories].filter(([, { added }]) => added.size > 0);
    if (this.#directories.size > MAX_DIRECTORIES) this.#directories.clear();
    if (changed.length === 0) return;
    const insert = this.#store.db.prepare('INSERT OR REPLACE INTO contenthash_host VALUES (?, ?, ?, ?)');
    this.#store.transaction(() => {
      for (const [path, directory] of changed) {
        const merged = merge(directory, presentNames(path));
        insert.run(
          Buffer.from(path, 'latin1'),
          Buffer.from([...merged.index.keys()].join('\0'), 'latin1'),
          new Uint8Array(merged.stats.buffer),
          merged.digests,
        );
        this.#directories.set(path, merged);
      }
      this.#forgetSome();
    });
  }

  /** Rows of directories that are gone go in time: a few are looked at whenever something is written. */
  #forgetSome(): void {
    const { db } = this.#store;
    const some = db
      .prepare('SELECT directory FROM contenthash_host ORDER BY random() LIMIT ?')
      .all(CHECKED_ROWS);
    for (const { directory } of some) {
      if (!(directory instanceof Uint8Array) || existsSync(Buffer.from(directory))) continue;
      db.prepare('DELETE FROM contenthash_host WHERE directory = ?').run(directory);
    }
  }

  #load(path: string): Directory {
    let directory = this.#directories.get(path);
    if (directory === undefined) {
      directory = this.#read(path);
      this.#directories.set(path, directory);
    }
    return directory;
  }

  #select: ReturnType<Store['db']['prepare']> | undefined;

  #read(path: string): Directory {
    this.#select ??= this.#store.db.prepare(
      'SELECT names, stats, digests FROM contenthash_host WHERE directory = ?',
    );
    const row = this.#select.get(Buffer.from(path, 'latin1'));
    const [names, stats, digests] = [row?.['names'], row?.['stats'], row?.['digests']];
    const empty = { index: new Map<string, number>(), stats: new BigUint64Array(), digests: Buffer.alloc(0) };
    if (!(names instanceof Uint8Array && stats instanceof Uint8Array && digests instanceof Uint8Array)) {
      return { ...empty, added: new Map() };
    }
    const list = Buffer.from(names).toString('latin1').split('\0');
    // A row that does not fit together is as good as none.
    if (stats.length !== list.length * STAMP_LENGTH * 8 || digests.length !== list.length * DIGEST_BYTES) {
      return { ...empty, added: new Map() };
    }
    return {
      index: new Map(list.map((name, i) => [name, i])),
      stats: new BigUint64Array(stats.slice().buffer),
      digests: Buffer.from(digests),
      added: new Map(),
    };
  }
}

function sameStamp(a: FileStamp, b: FileStamp): boolean {
  return a.every((value, i) => value === b[i]);
}

/** So that a row does not grow by names that are long gone. */
function presentNames(directory: string): Set<string> {
  try {
    return new Set([...readdirSync(fsPath(directory), { encoding: 'latin1' }), OWN_NAME]);
  } catch {
    return new Set();
  }
}

function merge(directory: Directory, present: ReadonlySet<string>): Directory {
  const known = [...directory.index.keys(), ...directory.added.keys()];
  const names = new Set(known.filter((name) => present.has(name)));
  const stats = new BigUint64Array(names.size * STAMP_LENGTH);
  const digests = Buffer.alloc(names.size * DIGEST_BYTES);
  const index = new Map<string, number>();
  for (const name of names) {
    const i = index.size;
    const old = directory.index.get(name);
    const added = directory.added.get(name);
    if (added !== undefined) {
      stats.set(added.stamp, i * STAMP_LENGTH);
      digests.write(added.digest.slice('sha256:'.length), i * DIGEST_BYTES, 'hex');
    } else if (old !== undefined) {
      stats.set(directory.stats.subarray(old * STAMP_LENGTH, (old + 1) * STAMP_LENGTH), i * STAMP_LENGTH);
      directory.digests.copy(digests, i * DIGEST_BYTES, old * DIGEST_BYTES, (old + 1) * DIGEST_BYTES);
    }
    index.set(name, i);
  }
  return { index, stats, digests, added: new Map() };
}
