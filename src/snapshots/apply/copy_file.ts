/** Copies one file with all of its metadata, sharing blocks where the file system can. */
import { closeSync, constants, ftruncateSync, openSync, symlinkSync } from 'node:fs';
import { copyFileRange, mknod, reflink, seekData, seekHole } from '../../platform/syscalls_files.ts';
import { chmodSync } from 'node:fs';
import { deviceNumbers } from '../../platform/syscalls_files.ts';
import { readLink, S_IFLNK, S_IFMT, S_IFREG, type FileInfo } from '../changes/file_info.ts';
import { fsPath } from '../names.ts';
import { readXattrs, setOwner, setTime, setXattrs } from './metadata.ts';
import { readSync, writeSync } from 'node:fs';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;
const COPY_BYTES = 1 << 20;
/** Up to here two calls that move bytes are faster than asking the kernel for ways without. */
const SMALL_BYTES = 64 * 1024;
/** Of the calling thread; nothing waits between its filling and its writing. */
let buffer: Buffer | undefined;

type FileExtent = Pick<FileInfo, 'size' | 'allocated'>;

/** `to` must not exist. Not for directories and sockets. */
export function copyFile(from: string, info: FileInfo, to: string): void {
  const type = info.mode & S_IFMT;
  if (type === S_IFREG) copyRegular(from, info, to);
  else if (type === S_IFLNK) symlinkSync(fsPath(readLink(from)), fsPath(to));
  else {
    const { major, minor } = deviceNumbers(info.rdev);
    mknod(fsPath(to), info.mode, major, minor);
  }
  setOwner(to, info.uid, info.gid, to);
  setXattrs(to, readXattrs(from));
  if (type !== S_IFLNK) chmodSync(fsPath(to), info.mode & 0o7777);
  setTime(to, info);
}

/**
 * Makes `to` with the content of `from`, holes and shared blocks kept.
 * @param finish what is to be done with both files while they are open; the mode is 0600 before
 */
export function copyRegular(
  from: string,
  info: FileExtent,
  to: string,
  finish: (target: number, source: number) => void = () => {},
): void {
  const source = openSync(fsPath(from), O_RDONLY | O_NOFOLLOW);
  try {
    const target = openSync(fsPath(to), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      copyContent(source, target, info);
      finish(target, source);
    } finally {
      closeSync(target);
    }
  } finally {
    closeSync(source);
  }
}

function copyContent(source: number, target: number, info: FileExtent): void {
  if (info.size === 0) return;
  if (info.size <= SMALL_BYTES && info.allocated >= info.size) copyBytes(source, target, 0, info.size);
  else if (!reflink(target, source)) copyData(source, target, info);
}

function copyData(source: number, target: number, info: FileExtent): void {
  if (info.allocated < info.size) {
    ftruncateSync(target, info.size);
    let at = seekData(source, 0);
    while (at !== undefined && at < info.size) {
      const end = seekHole(source, at);
      copyBytes(source, target, at, end);
      at = seekData(source, end);
    }
    return;
  }
  try {
    let left = info.size;
    while (left > 0) {
      const copied = copyFileRange(source, target, left);
      if (copied === 0) return;
      left -= copied;
    }
  } catch {
    // Across file systems, or an old kernel.
    ftruncateSync(target, 0);
    copyBytes(source, target, 0, info.size);
  }
}

function copyBytes(source: number, target: number, start: number, end: number): void {
  buffer ??= Buffer.allocUnsafe(COPY_BYTES);
  let at = start;
  while (at < end) {
    const read = readSync(source, buffer, 0, Math.min(buffer.length, end - at), at);
    if (read === 0) return;
    for (let written = 0; written < read;)
      written += writeSync(target, buffer, written, read - written, at + written);
    at += read;
  }
}
