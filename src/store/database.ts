import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  fstatSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CairnError } from '../errors/error.ts';
import type { SchemaPart } from './contract.ts';
import { isBusy, isDamage } from './sqlite_error.ts';

/**
 * Version of everything in a store directory. Raised when an older cairn could misread what a newer one
 * wrote; a new table or index alone does not need it, since `create` runs whenever its text has changed.
 */
export const SCHEMA_VERSION = 1;

/** SQLite's application_id, `crn1`: tells our database from any other file named alike. */
const APPLICATION_ID = 0x63726e31;

/** How long one statement waits for another process's write, in milliseconds. */
export const BUSY_TIMEOUT_MS = 10_000;
/** Switching to WAL and recovery answer "busy" without waiting. */
const OPEN_RETRIES = 200;
const OPEN_RETRY_MS = 10;

const FILE = 'cairn.db';
/** Its presence says that some process found the database damaged while using it. */
const DAMAGE_MARK = 'cairn.db.damaged';
const HEADER_BYTES = 100;

interface Header {
  inode: number;
  /** False when these bytes cannot be a database of ours. */
  sound: boolean;
  version: number;
  pages: number;
  pageSize: number;
  fileSize: number;
}

/** Header fields by sqlite.org/fileformat2.html, section 1.3. Undefined: no database yet. */
function readHeader(file: string): Header | undefined {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  try {
    const bytes = Buffer.alloc(HEADER_BYTES);
    const length = readSync(fd, bytes, 0, HEADER_BYTES, 0);
    if (length === 0) return undefined;
    const applicationId = bytes.readUInt32BE(68);
    const rawPageSize = bytes.readUInt16BE(16);
    const stat = fstatSync(fd);
    return {
      inode: stat.ino,
      sound:
        length === HEADER_BYTES &&
        bytes.toString('latin1', 0, 16) === 'SQLite format 3\0' &&
        (applicationId === APPLICATION_ID || applicationId === 0),
      pageSize: rawPageSize === 1 ? 65_536 : rawPageSize,
      pages: bytes.readUInt32BE(28),
      version: bytes.readUInt32BE(60),
      fileSize: stat.size,
    };
  } finally {
    closeSync(fd);
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** True when the file was cut short. Damage inside shows only when SQLite meets it. */
function isTruncated(header: Header, file: string): boolean {
  const short = (h: Header): boolean => h.fileSize < h.pages * h.pageSize;
  // With a WAL beside it, pages of the main file may still be on their way.
  if (!short(header) || existsSync(`${file}-wal`)) return false;
  // The WAL may have been folded in and removed between the two looks: look again.
  const again = readHeader(file);
  return again !== undefined && again.inode === header.inode && short(again);
}

function refuseNewer(root: string, version: number): void {
  if (version <= SCHEMA_VERSION) return;
  throw new CairnError(
    `store ${root} was written by a newer cairn: it has version ${version}, this cairn knows ${SCHEMA_VERSION}`,
    { code: 'STORE', hint: 'update cairn, or choose another store with --root' },
  );
}

/**
 * Moves the database out of the way, whole, so that it can be looked at.
 * @returns where it is now; undefined when another process has put a new one in its place already
 */
function setAside(root: string, inode: number): string | undefined {
  if (statSync(join(root, FILE), { throwIfNoEntry: false })?.ino !== inode) return undefined;
  const name = `damaged-${new Date().toISOString().replaceAll(':', '')}-${process.pid}`;
  const to = join(root, name);
  mkdirSync(to);
  // The main file first: whoever opens in between finds no database, never half of one.
  for (const suffix of ['', '-wal', '-shm']) {
    try {
      renameSync(join(root, FILE + suffix), join(to, FILE + suffix));
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
  rmSync(join(root, DAMAGE_MARK), { force: true });
  return to;
}

/** Notes for the next opening that the database is damaged. */
export function markDamaged(root: string): void {
  closeSync(openSync(join(root, DAMAGE_MARK), 'w', 0o600));
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function retryBusy<T>(fn: () => T): T {
  for (let attempt = 0; ; attempt++) {
    try {
      return fn();
    } catch (error) {
      if (!isBusy(error) || attempt >= OPEN_RETRIES) throw error;
      sleep(OPEN_RETRY_MS);
    }
  }
}

/** Creates what is missing. Parts whose text is known already cost one indexed read each. */
function createTables(db: DatabaseSync, parts: readonly SchemaPart[]): void {
  const known = new Map<unknown, unknown>();
  const hasTable = db
    .prepare(`SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_part'`)
    .get();
  if (hasTable !== undefined) {
    for (const row of db.prepare('SELECT room, text FROM schema_part').all())
      known.set(row['room'], row['text']);
  }
  const missing = parts.filter((part) => known.get(part.room) !== part.create);
  if (missing.length === 0) return;
  db.exec('BEGIN IMMEDIATE');
  try {
    db.exec(
      'CREATE TABLE IF NOT EXISTS schema_part (room TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID',
    );
    for (const part of missing) {
      db.exec(part.create);
      db.prepare('INSERT OR REPLACE INTO schema_part (room, text) VALUES (?, ?)').run(part.room, part.create);
    }
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

function open(file: string, fresh: boolean, parts: readonly SchemaPart[]): DatabaseSync {
  const db = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
  try {
    retryBusy(() => {
      // The version goes in before WAL is on: then it stands in the main file, where readHeader() finds it.
      if (fresh)
        db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}`);
      db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
    });
    retryBusy(() => createTables(db, parts));
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * Opens the database of a store, making or remaking it as needed. A database that is damaged, or older than
 * any version this cairn can read, is set aside: it holds nothing that a build cannot make again.
 *
 * @throws CairnError STORE when a newer cairn wrote it; nothing is touched then
 */
export function openDatabase(
  root: string,
  parts: readonly SchemaPart[],
  warn: (message: string) => void,
): DatabaseSync {
  const file = join(root, FILE);
  const header = readHeader(file);
  if (header === undefined) return open(file, true, parts);
  if (header.sound) refuseNewer(root, header.version);
  const replace = (why: string): DatabaseSync => {
    const aside = setAside(root, header.inode);
    if (aside !== undefined) {
      warn(`store ${root}: the database ${why}; it was moved to ${aside} and a new one is made`);
    }
    return open(file, true, parts);
  };
  if (!header.sound || existsSync(join(root, DAMAGE_MARK)) || isTruncated(header, file)) {
    return replace('is damaged');
  }
  const fresh = header.version === 0;
  if (!fresh && header.version < SCHEMA_VERSION) return replace(`has the old version ${header.version}`);
  try {
    return open(file, fresh, parts);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return replace('is damaged');
  }
}
