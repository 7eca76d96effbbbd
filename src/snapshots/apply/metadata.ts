/** Owners, modes, attributes and times of files that are being unpacked. */
import { chmodSync, futimesSync, lutimesSync } from 'node:fs';
import { CairnError } from '../../errors/error.ts';
import { lchown, lgetxattr, llistxattr, lsetxattr, lutimesNs } from '../../platform/syscalls_files.ts';
import type { FileInfo } from '../changes/file_info.ts';
import { displayName, fsPath } from '../names.ts';
import type { TarEntry } from '../tar/entry.ts';

/** Seconds that a double holds together with what utimensat(2) takes; later times are set to 1970. */
const MAX_SECONDS = 9_223_372_036;

/** @throws CairnError DENIED when this user may not give files to that owner */
export function setOwner(path: string, uid: number, gid: number, name: string): void {
  try {
    lchown(fsPath(path), uid, gid);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EPERM' && code !== 'EINVAL') throw error;
    throw new CairnError(`${displayName(name)} belongs to ${uid}:${gid}, which cannot be set here`, {
      code: 'DENIED',
      hint:
        code === 'EINVAL'
          ? 'Give this user more subordinate ids in /etc/subuid and /etc/subgid.'
          : 'Build as root, or in a user namespace that maps this id.',
      cause: error,
    });
  }
}

/** Times before 1970, or too far away, become 1970, as containerd bounds them. */
export function boundedTime(entry: Pick<TarEntry, 'mtime' | 'mtimeNs'>): { mtime: number; mtimeNs: number } {
  return entry.mtime < 0 || entry.mtime > MAX_SECONDS
    ? { mtime: 0, mtimeNs: 0 }
    : { mtime: entry.mtime, mtimeNs: entry.mtimeNs };
}

/** Sets access and modification time to `mtime`; by the descriptor where one is open. */
export function setTime(path: string, entry: Pick<TarEntry, 'mtime' | 'mtimeNs'>, fd?: number): void {
  const { mtime, mtimeNs } = boundedTime(entry);
  if (mtimeNs !== 0) {
    const ns = BigInt(mtime) * 1_000_000_000n + BigInt(mtimeNs);
    lutimesNs(fsPath(path), ns, ns);
  } else if (fd === undefined) lutimesSync(fsPath(path), mtime, mtime);
  else futimesSync(fd, mtime, mtime);
}

/**
 * Sets the attributes of an entry. Those of overlayfs and the trusted ones are left out: they would change what
 * the layer means. Attributes that this file system or file type cannot have are left out as well.
 */
export function setXattrs(path: string, xattrs: ReadonlyMap<string, Uint8Array>): void {
  for (const [name, value] of xattrs) {
    if (isReserved(name)) continue;
    try {
      lsetxattr(fsPath(path), name, value);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOTSUP' || code === 'EOPNOTSUPP') continue;
      if (code === 'EPERM' && name.startsWith('user.')) continue;
      throw error;
    }
  }
}

function isReserved(name: string): boolean {
  return name.startsWith('trusted.') || name.startsWith('user.overlay.');
}

/** Attributes that are copied with a file. */
export function readXattrs(path: string): ReadonlyMap<string, Uint8Array> {
  const xattrs = new Map<string, Uint8Array>();
  for (const name of llistxattr(fsPath(path))) {
    const value = isReserved(name) ? undefined : lgetxattr(fsPath(path), name);
    if (value !== undefined) xattrs.set(name, value);
  }
  return xattrs;
}

/** Gives a directory the owner, mode, attributes and time of another. */
export function copyDirectoryMetadata(from: string, info: FileInfo, to: string): void {
  setOwner(to, info.uid, info.gid, to);
  setXattrs(to, readXattrs(from));
  chmodSync(fsPath(to), info.mode & 0o7777);
  setTime(to, info);
}
