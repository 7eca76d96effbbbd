import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isBusy } from './sqlite_error.ts';

/*
 * An owner is one opening of the store. Its sign of life is a lock that the kernel drops when the process
 * ends, however it ends: an empty SQLite file under owners/, held in an exclusive transaction. That is an
 * fcntl(2) lock behind an interface that Node has, and it works across PID namespaces, where a process id
 * would lie. fcntl locks are lost when the process closes any descriptor of the file, so nothing but SQLite
 * may open it.
 */

const FOLDER = 'owners';
/** Nothing is ever written, so no journal file is wanted. */
const TAKE = 'PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE';
const LOCK = '.lock';
/** A lock file before it is locked; renamed afterwards, so that an unlocked `.lock` is always a dead owner's. */
const UNBORN = '.new';
/** Left-over `.new` files are removed after this time, in milliseconds: far longer than locking takes. */
const UNBORN_MAX_AGE_MS = 3_600_000;

export interface OwnerLock {
  readonly id: string;
  release(): void;
  /** Ends without removing the lock file: a dead owner's from now on. */
  abandon(): void;
}

/** Becomes a new owner. */
export function lockOwner(root: string): OwnerLock {
  const id = `${process.pid}-${randomBytes(6).toString('hex')}`;
  const folder = join(root, FOLDER);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, id + LOCK);
  const unborn = join(folder, id + UNBORN);
  const lock = new DatabaseSync(unborn, { timeout: 0 });
  lock.exec(TAKE);
  renameSync(unborn, file);
  return {
    id,
    release() {
      rmSync(file, { force: true });
      lock.close();
    },
    abandon: () => lock.close(),
  };
}

/** True while the process of this owner lives. */
export function isAlive(root: string, id: string): boolean {
  const file = join(root, FOLDER, id + LOCK);
  let probe: DatabaseSync;
  try {
    // Not read-only: SQLite needs a writable descriptor for the lock. Never created: a probe must not revive it.
    if (statSync(file, { throwIfNoEntry: false }) === undefined) return false;
    probe = new DatabaseSync(`file:${encodeURI(file)}?mode=rw`, { timeout: 0 });
  } catch {
    return false;
  }
  try {
    probe.exec(TAKE);
    return false;
  } catch (error) {
    if (isBusy(error)) return true;
    throw error;
  } finally {
    probe.close();
  }
}

/** Owners with a lock file, living or dead, without `self`. */
export function otherOwners(root: string, self: string): string[] {
  const owners: string[] = [];
  for (const name of readdirSync(join(root, FOLDER))) {
    if (name.endsWith(LOCK)) {
      const id = name.slice(0, -LOCK.length);
      if (id !== self) owners.push(id);
    } else if (name.endsWith(UNBORN)) {
      const file = join(root, FOLDER, name);
      const stat = statSync(file, { throwIfNoEntry: false });
      if (stat !== undefined && Date.now() - stat.mtimeMs > UNBORN_MAX_AGE_MS) rmSync(file, { force: true });
    }
  }
  return owners;
}

/** Forgets a dead owner. Its temporary files must be gone before: the lock file is what leads to them. */
export function removeOwner(root: string, id: string): void {
  rmSync(join(root, FOLDER, id + LOCK), { force: true });
}
