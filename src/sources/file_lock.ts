/** A lock between processes that the kernel drops when its holder ends, however it ends. */
import { DatabaseSync } from 'node:sqlite';
import { pause } from '../registry/cancel.ts';
import { isBusy } from '../store/sqlite_error.ts';

const POLL_MS = 50;

/**
 * Waits for the lock on `path`, a file that is made for it and stays. An exclusive transaction of an empty SQLite
 * file is an fcntl(2) lock behind an interface that Node has, and it also holds between two parts of one process.
 * @returns its release
 * @throws CairnError CANCELED
 */
export async function lockFile(path: string, signal: AbortSignal): Promise<() => void> {
  for (;;) {
    const release = tryLockFile(path);
    if (release !== undefined) return release;
    await pause(POLL_MS, signal);
  }
}

/** The same lock; undefined: somebody has it. */
export function tryLockFile(path: string): (() => void) | undefined {
  const lock = new DatabaseSync(path, { timeout: 0 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return () => lock.close();
  } catch (error) {
    lock.close();
    if (!isBusy(error)) throw error;
    return undefined;
  }
}
