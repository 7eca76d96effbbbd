/**
 * When a file of the upper tree counts as unchanged. The rule is containerd continuity's (fs/path.go, sameFile),
 * which BuildKit's overlay differ shares: it decides which entries a layer has.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { lgetxattr } from '../../platform/syscalls_files.ts';
import { fsPath } from '../names.ts';
import { readLink, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, type FileInfo } from './file_info.ts';

const CAPABILITY = 'security.capability';

/** What is looked at where the attributes leave it open. */
export interface FileContent {
  capability(): Buffer | undefined;
  /** Target of a symlink. */
  target(): string;
  /** Of a regular file's content. */
  readonly path: string;
}

export function isSameFile(a: FileInfo, aPath: string, b: FileInfo, bPath: string): boolean {
  return isSameContent(a, aPath, b, {
    capability: () => lgetxattr(fsPath(bPath), CAPABILITY),
    target: () => readLink(bPath),
    path: bPath,
  });
}

/** As {@link isSameFile}, for a file that need not be on the disk. */
export function isSameContent(a: FileInfo, aPath: string, b: FileInfo, content: FileContent): boolean {
  if (a.ino === b.ino && a.dev === b.dev) return true;
  if (a.mode !== b.mode || a.uid !== b.uid || a.gid !== b.gid || a.rdev !== b.rdev) return false;
  if (!sameBytes(lgetxattr(fsPath(aPath), CAPABILITY), content.capability())) return false;
  const type = a.mode & S_IFMT;
  if (type === S_IFDIR) return true;
  if (a.size !== b.size || a.mtime !== b.mtime) return false;
  if (a.mtimeNs !== 0 || b.mtimeNs !== 0) return a.mtimeNs === b.mtimeNs;
  // Both times may come from a tar, which has whole seconds: only the content can tell.
  if (type === S_IFLNK) return readLink(aPath) === content.target();
  return a.size === 0 || type !== S_IFREG || sameBytesInFiles(aPath, content.path);
}

function sameBytes(a: Buffer | undefined, b: Buffer | undefined): boolean {
  if (a === undefined || b === undefined) return (a?.length ?? 0) === (b?.length ?? 0);
  return a.equals(b);
}

const COMPARE_BYTES = 128 * 1024;

function sameBytesInFiles(aPath: string, bPath: string): boolean {
  const a = openSync(fsPath(aPath), 'r');
  try {
    const b = openSync(fsPath(bPath), 'r');
    try {
      const [left, right] = [Buffer.allocUnsafe(COMPARE_BYTES), Buffer.allocUnsafe(COMPARE_BYTES)];
      for (;;) {
        const length = readFull(a, left);
        if (length !== readFull(b, right)) return false;
        if (length === 0) return true;
        if (left.compare(right, 0, length, 0, length) !== 0) return false;
      }
    } finally {
      closeSync(b);
    }
  } finally {
    closeSync(a);
  }
}

function readFull(fd: number, buffer: Buffer): number {
  let length = 0;
  while (length < buffer.length) {
    const read = readSync(fd, buffer, length, buffer.length - length, null);
    if (read === 0) break;
    length += read;
  }
  return length;
}
