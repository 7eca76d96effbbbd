/** Contract of the store room: one directory, one database, used by any number of processes at once. */
import type { DatabaseSync } from 'node:sqlite';

/** Tables that one room owns. `create` must be idempotent (`IF NOT EXISTS`). */
export interface SchemaPart {
  room: string;
  create: string;
}

/** Kinds of thing that a lease can hold back from collection. */
export type LeaseKind = 'blob' | 'snapshot' | 'record' | 'mount';

export interface Store {
  /** Absolute path of the store directory. */
  readonly root: string;
  /** WAL, synchronous=NORMAL, busy timeout set. Transactions must be short; none across an await. */
  readonly db: DatabaseSync;
  /** Identifies this process; it holds an operating system lock for as long as it lives. */
  readonly owner: string;
  /** An absolute path below the root; parents are made. */
  path(...parts: string[]): string;
  /** A new name under `tmp/<owner>/`; what is left there by dead owners is removed at the next opening or collection. */
  tempPath(suffix?: string): string;
  /** Runs `fn` in BEGIN IMMEDIATE … COMMIT, rolled back when it throws. Not reentrant. */
  transaction<T>(fn: () => T): T;
  /** Holds a thing back from collection until released or until this process is gone. */
  lease(kind: LeaseKind, id: string): { release(): void };
  /** Ids of this kind that a living process holds. */
  leased(kind: LeaseKind): Set<string>;
  close(): void;
}
