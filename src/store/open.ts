import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { CairnError } from '../errors/error.ts';
import type { LeaseKind, SchemaPart, Store } from './contract.ts';
import { makeDirectories } from '../platform/make_directories.ts';
import { markDamaged, openDatabase } from './database.ts';
import { isAlive, lockOwner, otherOwners, removeOwner, type OwnerLock } from './owner.ts';
import { isDamage, isFull, storeError } from './sqlite_error.ts';

const LEASES: SchemaPart = {
  room: 'store',
  create: `CREATE TABLE IF NOT EXISTS lease (
    kind TEXT NOT NULL, id TEXT NOT NULL, owner TEXT NOT NULL, PRIMARY KEY (kind, id, owner)
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS lease_owner ON lease (owner);`,
};

const TEMP = 'tmp';

export interface OpenOptions {
  /** Told of things that were wrong and were put right. Default: a line on stderr. */
  warn?: (message: string) => void;
}

/**
 * Opens the store at `root`, making it if it is not there. Takes a few milliseconds.
 *
 * @throws CairnError STORE when the directory cannot be used or a newer cairn wrote it
 */
export function openStore(root: string, parts: readonly SchemaPart[], options: OpenOptions = {}): Store {
  const warn = options.warn ?? ((message) => process.stderr.write(`WARNING: ${message}\n`));
  const directory = resolve(root);
  try {
    // 0711 as dockerd and buildkitd: steps of user namespaces must be able to walk through.
    makeDirectories(directory, 0o711);
    const db = openDatabase(directory, [LEASES, ...parts], warn);
    try {
      return new OpenedStore(directory, db, lockOwner(directory));
    } catch (error) {
      db.close();
      throw error;
    }
  } catch (error) {
    throw openingError(error, directory);
  }
}

function openingError(error: unknown, root: string): unknown {
  const known = storeError(error, root);
  if (known instanceof CairnError || !(error instanceof Error) || !('code' in error)) return known;
  return new CairnError(`store ${root} cannot be opened: ${error.message}`, {
    code: 'STORE',
    hint: 'check its permissions, or choose another with --root',
    cause: error,
  });
}

class OpenedStore implements Store {
  readonly root: string;
  readonly db: DatabaseSync;
  readonly #lock: OwnerLock;
  /** How often each thing is leased by this process, by `kind id`: the table has one row for all of them. */
  readonly #leases = new Map<string, number>();
  readonly #madeDirectories = new Set<string>();
  #temps = 0;
  /** A lease could not be taken out of the database. */
  #lost = false;
  #closed = false;

  constructor(root: string, db: DatabaseSync, lock: OwnerLock) {
    this.root = root;
    this.db = db;
    this.#lock = lock;
    this.#removeDeadOwners();
  }

  get owner(): string {
    return this.#lock.id;
  }

  path(...parts: string[]): string {
    const path = join(this.root, ...parts);
    this.#makeDirectory(join(path, '..'));
    return path;
  }

  tempPath(suffix = ''): string {
    return this.path(TEMP, this.owner, `${this.#temps++}${suffix}`);
  }

  transaction<T>(fn: () => T): T {
    if (this.db.isTransaction) throw new Error('store transactions do not nest');
    try {
      this.db.exec('BEGIN IMMEDIATE');
      const result = fn();
      this.db.exec('COMMIT');
      return result;
    } catch (error) {
      // SQLite rolls back by itself on a full disk and some others.
      if (this.db.isTransaction) this.db.exec('ROLLBACK');
      if (isDamage(error)) markDamaged(this.root);
      throw storeError(error, this.root);
    }
  }

  lease(kind: LeaseKind, id: string): { release(): void } {
    const key = `${kind} ${id}`;
    const count = this.#leases.get(key) ?? 0;
    if (count === 0) {
      this.#write(() =>
        this.db
          .prepare('INSERT OR IGNORE INTO lease (kind, id, owner) VALUES (?, ?, ?)')
          .run(kind, id, this.owner),
      );
    }
    this.#leases.set(key, count + 1);
    let held = true;
    return {
      release: () => {
        if (!held || this.#closed) return;
        held = false;
        const left = (this.#leases.get(key) ?? 1) - 1;
        if (left > 0) {
          this.#leases.set(key, left);
          return;
        }
        this.#leases.delete(key);
        try {
          this.#write(() =>
            this.db
              .prepare('DELETE FROM lease WHERE kind = ? AND id = ? AND owner = ?')
              .run(kind, id, this.owner),
          );
        } catch (error) {
          // On a full disk it goes with its owner; inside a transaction the rest of that has failed as well.
          if (this.db.isTransaction || !isFull(error)) throw error;
          this.#lost = true;
        }
      },
    };
  }

  leased(kind: LeaseKind): Set<string> {
    const ids = new Set<string>();
    const alive = new Map<string, boolean>([[this.owner, true]]);
    for (const row of this.db.prepare('SELECT id, owner FROM lease WHERE kind = ?').all(kind)) {
      const owner = String(row['owner']);
      let lives = alive.get(owner);
      if (lives === undefined) alive.set(owner, (lives = isAlive(this.root, owner)));
      if (lives) ids.add(String(row['id']));
    }
    return ids;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    let clean = false;
    try {
      if (this.#temps > 0) rmSync(join(this.root, TEMP, this.owner), { recursive: true, force: true });
      if (this.#leases.size > 0 || this.#lost)
        this.db.prepare('DELETE FROM lease WHERE owner = ?').run(this.owner);
      clean = true;
    } catch (error) {
      if (!isFull(error)) throw error;
    } finally {
      this.db.close();
      // What could not be removed is a dead owner's from now on, and its lock file is what leads there.
      if (clean) this.#lock.release();
      else this.#lock.abandon();
    }
  }

  /** A write that joins the transaction that is open, if there is one. */
  #write(fn: () => unknown): void {
    if (this.db.isTransaction) fn();
    else this.transaction(fn);
  }

  #makeDirectory(directory: string): void {
    if (this.#madeDirectories.has(directory)) return;
    mkdirSync(directory, { recursive: true, mode: 0o711 });
    this.#madeDirectories.add(directory);
  }

  #removeDeadOwners(): void {
    const dead = otherOwners(this.root, this.owner).filter((id) => !isAlive(this.root, id));
    if (dead.length === 0) return;
    for (const id of dead) {
      try {
        const directory = join(this.root, TEMP, id);
        rmSync(directory, { recursive: true, force: true });
        // Node takes a file that somebody else removed meanwhile, as a step that goes on after its builder was killed,
        // for the end of all work.
        if (existsSync(directory)) continue;
      } catch {
        // E.g. files of subordinate ids, which only a user namespace may remove: the collector tries again.
        continue;
      }
      this.db.prepare('DELETE FROM lease WHERE owner = ?').run(id);
      removeOwner(this.root, id);
    }
  }
}
