/** What a directory walk needs to know of a file. */
import { lstatSync, readdirSync, readlinkSync, type BigIntStats } from 'node:fs';
import { lgetxattr } from '../../platform/syscalls_files.ts';
import { fsPath } from '../names.ts';

export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;

export interface FileInfo {
  /** With the type bits. */
  mode: number;
  uid: number;
  gid: number;
  size: number;
  /** On disk, in bytes: less than `size` when the file has holes. */
  allocated: number;
  /** Seconds, rounded down, and nanoseconds above. */
  mtime: number;
  mtimeNs: number;
  nlink: number;
  ino: bigint;
  dev: bigint;
  rdev: bigint;
}

/** Undefined: not there. Links are not followed. */
export function lstat(path: string): FileInfo | undefined {
  let stats: BigIntStats | undefined;
  try {
    stats = lstatSync(fsPath(path), { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined;
    throw error;
  }
  return stats === undefined ? undefined : fileInfo(stats);
}

const SECOND = 1_000_000_000n;

export function fileInfo(stats: BigIntStats): FileInfo {
  const ns = stats.mtimeNs;
  const rest = ((ns % SECOND) + SECOND) % SECOND;
  return {
    mode: Number(stats.mode),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: Number(stats.size),
    allocated: Number(stats.blocks) * 512,
    mtime: Number((ns - rest) / SECOND),
    mtimeNs: Number(rest),
    nlink: Number(stats.nlink),
    ino: stats.ino,
    dev: stats.dev,
    rdev: stats.rdev,
  };
}

export function isDirectory(info: FileInfo): boolean {
  return (info.mode & S_IFMT) === S_IFDIR;
}

/** Names in a directory in byte order, as Go's filepath.Walk visits them. */
export function sortedNames(path: string): string[] {
  return readdirSync(fsPath(path), { encoding: 'latin1' }).sort();
}

export function readLink(path: string): string {
  return readlinkSync(fsPath(path), { encoding: 'latin1' });
}

/** Overlay whiteout: a character device 0/0. */
export function isWhiteout(info: FileInfo): boolean {
  return (info.mode & S_IFMT) === S_IFCHR && info.rdev === 0n;
}

const OPAQUE = ['trusted.overlay.opaque', 'user.overlay.opaque'];
const REDIRECT = ['trusted.overlay.redirect', 'user.overlay.redirect'];

/** True for a directory that hides what lies below it. */
export function isOpaque(path: string): boolean {
  return OPAQUE.some((name) => lgetxattr(fsPath(path), name)?.toString('latin1') === 'y');
}

/** True for a directory that the kernel renamed in place: its contents are elsewhere. */
export function isRedirected(path: string): boolean {
  return REDIRECT.some((name) => (lgetxattr(fsPath(path), name)?.length ?? 0) > 0);
}
