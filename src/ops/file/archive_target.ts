/**
 * Writes the entries of an archive into a directory as moby's archive.Unpack does: later entries replace earlier
 * ones, whiteouts are ordinary names, and nothing outside the directory can be reached.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import {
  lchown,
  lsetxattr,
  lutimesNs,
  mknod,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
} from '../../platform/syscalls_files.ts';
import { boundedTime } from '../../snapshots/apply/metadata.ts';
import { cleanName, resolveBelow } from '../../snapshots/apply/root_path.ts';
import { isDirectory } from '../../snapshots/changes/file_info.ts';
import { baseOf, fsPath, parentOf } from '../../snapshots/names.ts';
import type { TarEntry } from '../../snapshots/tar/entry.ts';
import type { TarHandler } from '../../snapshots/tar/reader.ts';
import { join } from '../../snapshots/patterns/go_path.ts';
import { DiskTarget } from './disk_target.ts';
import type { Owner } from './owner.ts';
import { makeDirectories } from './target.ts';
import { lstatAt } from './tree_files.ts';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
const IMPLIED_MODE = 0o755;

export class ArchiveTarget implements TarHandler {
  readonly #root: string;
  readonly #owner: Owner | undefined;
  readonly #directories = new Map<string, TarEntry>();
  #open: { fd: number; path: string; entry: TarEntry; end: number } | undefined;

  /** @param root full path, symlinks resolved; `owner` is given to everything instead of the archive's owners */
  constructor(root: string, owner: Owner | undefined) {
    this.#root = root;
    this.#owner = owner;
  }

  entry(entry: TarEntry): void {
    const name = cleanName(entry.name, entry.name);
    // The directory that is unpacked into stays what it is.
    if (name === '') return;
    const path = this.#place(name, entry.name);
    const there = lstatAt(path);
    if (there !== undefined && !(isDirectory(there) && entry.type === 'dir')) {
      rmSync(fsPath(path), { recursive: true, force: true });
      this.#forget(path);
    }
    this.#make(entry, path, there !== undefined && isDirectory(there));
  }

  data(bytes: Uint8Array, position: number): void {
    const open = this.#open;
    if (open === undefined) return;
    let written = 0;
    while (written < bytes.length) {
      written += writeSync(open.fd, bytes, written, bytes.length - written, position + written);
    }
    open.end = position + written;
  }

  close(): void {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    try {
      if (open.end < open.entry.size) ftruncateSync(open.fd, open.entry.size);
      const { uid, gid } = this.#owner ?? open.entry;
      fchownSync(open.fd, uid, gid);
      this.#xattrs(open.entry, open.path);
      fchmodSync(open.fd, open.entry.mode);
    } finally {
      closeSync(open.fd);
    }
    setTime(open.path, open.entry);
  }

  /** Sets the directories' times. Call when the archive has ended. */
  finish(): void {
    for (const [path, entry] of this.#directories) setTime(path, entry);
  }

  /** Closes what an error left open. */
  abandon(): void {
    if (this.#open !== undefined) closeSync(this.#open.fd);
    this.#open = undefined;
  }

  /** Full path of a name; its parents are made, links among them stay inside. */
  #place(name: string, shown: string): string {
    const parent = parentOf(name);
    const resolved = resolveBelow(this.#root, parent, shown);
    const directory = resolved === '' ? this.#root : `${this.#root}/${resolved}`;
    if (lstatAt(directory) === undefined) {
      const target = new DiskTarget(this.#root);
      makeDirectories(target, `/${resolved}`, IMPLIED_MODE, { uid: 0, gid: 0 }, undefined);
    }
    return `${directory}/${baseOf(name)}`;
  }

  #make(entry: TarEntry, path: string, isThere: boolean): void {
    switch (entry.type) {
      case 'file': {
        const fd = openSync(fsPath(path), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, entry.mode & 0o777);
        this.#open = { fd, path, entry, end: 0 };
        return;
      }
      case 'dir':
        if (!isThere) mkdirSync(fsPath(path), entry.mode & 0o777);
        this.#directories.set(path, entry);
        break;
      case 'link':
        linkSync(fsPath(this.#linkTarget(entry)), fsPath(path));
        break;
      case 'symlink':
        symlinkSync(fsPath(entry.linkname), fsPath(path));
        break;
      default: {
        const type = { char: S_IFCHR, block: S_IFBLK, fifo: S_IFIFO }[entry.type];
        mknod(fsPath(path), type | entry.mode, entry.devMajor, entry.devMinor);
      }
    }
    const { uid, gid } = this.#owner ?? entry;
    lchown(fsPath(path), uid, gid);
    this.#xattrs(entry, path);
    if (entry.type !== 'symlink' && !this.#isLinkToSymlink(entry, path)) chmodSync(fsPath(path), entry.mode);
    if (entry.type !== 'dir') setTime(path, entry);
  }

  #isLinkToSymlink(entry: TarEntry, path: string): boolean {
    return entry.type === 'link' && ((lstatAt(path)?.mode ?? 0) & 0o170000) === 0o120000;
  }

  #linkTarget(entry: TarEntry): string {
    const name = cleanName(entry.linkname, entry.name);
    return `${this.#root}/${join(resolveBelow(this.#root, parentOf(name), entry.name), baseOf(name))}`;
  }

  #xattrs(entry: TarEntry, path: string): void {
    for (const [name, value] of entry.xattrs ?? []) {
      if (/^(?:trusted|user)\.overlay\./.test(name)) continue;
      try {
        lsetxattr(fsPath(path), name, value);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && code !== 'EPERM') throw error;
      }
    }
  }

  #forget(path: string): void {
    for (const key of this.#directories.keys()) {
      if (key === path || key.startsWith(`${path}/`)) this.#directories.delete(key);
    }
  }
}

function setTime(path: string, entry: TarEntry): void {
  const { mtime, mtimeNs } = boundedTime(entry);
  const ns = BigInt(mtime) * 1_000_000_000n + BigInt(mtimeNs);
  lutimesNs(fsPath(path), ns, ns);
}
