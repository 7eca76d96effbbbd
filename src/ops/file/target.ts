/** The tree that file actions write: its interface, and making directories in it. */
import type { FileInfo } from '../../snapshots/changes/file_info.ts';
import { isDirectory } from '../../snapshots/changes/file_info.ts';
import { parentOf } from '../../snapshots/names.ts';
import { systemFailure } from './failure.ts';
import type { Owner } from './owner.ts';
import type { TreeFiles } from './tree_files.ts';

const ENOTDIR = 20;

/** Nanoseconds since 1970; undefined: the time of the build. */
export type Timestamp = bigint | undefined;

/** A file that is copied. */
export interface SourceFile {
  /** Full path, a binary string. */
  path: string;
  info: FileInfo;
  /** A client sent it: attributes of Apple's systems are left out. */
  fromClient: boolean;
}

export interface Metadata extends Owner {
  /** Permission bits with setuid, setgid and sticky. */
  mode: number;
  /** Nanoseconds since 1970. */
  time: bigint;
}

/**
 * A tree that can be written: a mounted layer (DiskTarget), or the plan of one (PlannedTarget). Paths as in
 * TreeFiles, with their links resolved. Failures are those of the system calls that the methods are named after.
 */
export interface TargetFiles extends TreeFiles {
  /**
   * The same tree, for what goes into a directory that was made in this one and into which nobody has looked since:
   * there may be a shorter way there.
   */
  readonly fresh: TargetFiles;
  mkdir(path: string, mode: number): void;
  /** A copy of a regular file with content; its extended attributes too. It is there once settle() has returned. */
  regular(path: string, source: SourceFile, metadata: Metadata): void;
  /** A new file without content. */
  empty(path: string): void;
  /** A file with this content, new or replaced; one that is new has this mode. */
  write(path: string, data: Uint8Array, mode: number): void;
  /** `target` as it is to be read, a binary string. */
  symlink(target: string, path: string): void;
  link(first: string, path: string): void;
  /** A device, fifo or empty file; `mode` has the type bits. */
  special(path: string, mode: number, rdev: bigint): void;
  unlink(path: string): void;
  /** With everything below it; what is not there is no failure. */
  removeAll(path: string): void;
  /** Links are not followed. */
  setOwner(path: string, owner: Owner): void;
  setMode(path: string, mode: number): void;
  /** Links are not followed. */
  setTime(path: string, time: bigint): void;
  /** What the target cannot hold is left out. */
  copyXattrs(source: SourceFile, path: string): void;
  /** All regular() files are there then. @throws what copying them throws */
  settle(): void;
  /** The full path of a directory, for who writes into it with system calls. */
  directory(path: string): string;
}

/** A file action's timestamp field: -1 stands for none. */
export function timestampOf(field: bigint): Timestamp {
  return field === -1n ? undefined : field;
}

export function setTimestamp(target: TargetFiles, path: string, time: Timestamp): void {
  if (time !== undefined) target.setTime(path, time);
}

export function setOwner(target: TargetFiles, path: string, owner: Owner | undefined): void {
  if (owner !== undefined) target.setOwner(path, owner);
}

/**
 * Makes a directory and its parents; those that were there stay as they are.
 * @param path links resolved
 * @returns the directories that were made, outermost first
 */
export function makeDirectories(
  target: TargetFiles,
  path: string,
  mode: number,
  owner: Owner | undefined,
  time: Timestamp,
): string[] {
  const there = target.lstat(path);
  if (there !== undefined) {
    if (isDirectory(there)) return [];
    throw systemFailure('ENOTDIR', ENOTDIR, 'mkdir', path);
  }
  const made = makeDirectories(target, parentOf(path), mode, owner, time);
  try {
    target.mkdir(path, mode & 0o777);
  } catch (error) {
    const now = target.lstat(path);
    if (now !== undefined && isDirectory(now)) return made;
    throw error;
  }
  target.setMode(path, mode & 0o777);
  setOwner(target, path, owner);
  setTimestamp(target, path, time);
  return [...made, path];
}
