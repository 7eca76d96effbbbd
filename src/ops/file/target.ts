/** Making directories and setting owners, modes and times in the tree that file actions write. */
import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { lchown, lutimesNs } from '../../platform/syscalls_files.ts';
import { fsPath, parentOf } from '../../snapshots/names.ts';
import { systemFailure } from './failure.ts';
import type { Owner } from './owner.ts';
import { lstatAt } from './tree_files.ts';
import { isDirectory } from '../../snapshots/changes/file_info.ts';

const ENOTDIR = 20;

/** Nanoseconds since 1970; undefined: the time of the build. */
export type Timestamp = bigint | undefined;

/** A file action's timestamp field: -1 stands for none. */
export function timestampOf(field: bigint): Timestamp {
  return field === -1n ? undefined : field;
}

export function setTimestamp(path: string, time: Timestamp): void {
  if (time !== undefined) lutimesNs(fsPath(path), time, time);
}

export function setOwner(path: string, owner: Owner | undefined): void {
  if (owner !== undefined) lchown(fsPath(path), owner.uid, owner.gid);
}

/**
 * Makes a directory and its parents; those that were there stay as they are.
 * @param path full path below a root whose symlinks have been resolved
 * @returns the directories that were made, outermost first
 */
export function makeDirectories(
  path: string,
  mode: number,
  owner: Owner | undefined,
  time: Timestamp,
): string[] {
  const stats = statSync(fsPath(path), { throwIfNoEntry: false });
  if (stats?.isDirectory() === true) return [];
  if (stats !== undefined) throw systemFailure('ENOTDIR', ENOTDIR, 'mkdir', path);
  const parent = parentOf(path);
  const made = parent === '' ? [] : makeDirectories(parent, mode, owner, time);
  try {
    mkdirSync(fsPath(path), mode & 0o777);
  } catch (error) {
    const there = lstatAt(path);
    if (there !== undefined && isDirectory(there)) return made;
    throw error;
  }
  chmodSync(fsPath(path), mode & 0o777);
  setOwner(path, owner);
  setTimestamp(path, time);
  return [...made, path];
}
