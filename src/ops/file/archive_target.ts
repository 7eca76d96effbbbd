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
import { isDirectory } from '../../snapshots/changes/file_info.ts';
import { fsPath } from '../../snapshots/names.ts';
import { clean } from '../../snapshots/patterns/go_path.ts';
import type { TarEntry } from '../../snapshots/tar/entry.ts';
import type { TarHandler } from '../../snapshots/tar/reader.ts';
import { ArchiveRoot } from './archive_root.ts';
import { systemFailure } from './failure.ts';
import type { Owner } from './owner.ts';
import { isLink, lstatAt } from './tree_files.ts';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
const EBUSY = 16;

export class ArchiveTarget implements TarHandler {
  readonly #root: ArchiveRoot;
  readonly #owner: Owner | undefined;
  /** By name. */
  readonly #directories = new Map<string, TarEntry>();
  #open: { fd: number; path: string; entry: TarEntry; end: number } | undefined;

  /** @param root full path, symlinks resolved; `owner` is given to everything instead of the archive's owners */
  constructor(root: string, owner: Owner | undefined) {
    this.#root = new ArchiveRoot(root);
    this.#owner = owner;
  }

  entry(entry: TarEntry): void {
    // The directory that is unpacked into stays what it is, unless it is named in another way.
    if (clean(entry.name) === '.') return;
    const name = this.#root.named(entry.name);
    if (name === '' && entry.type !== 'dir') throw systemFailure('EBUSY', EBUSY, 'unlinkat', '/');
    const path = name === '' ? this.#root.follow('', 'open') : this.#root.place(name);
    const there = lstatAt(path);
    const stays = there !== undefined && isDirectory(there) && entry.type === 'dir';
    if (there !== undefined && !stays) rmSync(fsPath(path), { recursive: true, force: true });
    this.#make(entry, path, stays);
    if (entry.type !== 'dir') return;
    this.#directories.delete(name);
    this.#directories.set(name, entry);
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

  /**
   * Sets the directories' times, also of what took their names later. Call when the archive has ended.
   * @throws ENOENT, ENOTDIR where one is gone since
   */
  finish(): void {
    for (const [name, entry] of this.#directories) setTime(this.#root.follow(name, 'chtimes'), entry);
  }

  /** Closes what an error left open. */
  abandon(): void {
    if (this.#open !== undefined) closeSync(this.#open.fd);
    this.#open = undefined;
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
        break;
      case 'link':
        linkSync(fsPath(this.#root.find(this.#root.named(entry.linkname), 'link')), fsPath(path));
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
    // A further name of a symlink changes its owner only.
    if (entry.type === 'link' && isLink(lstatAt(path))) return;
    if (entry.type !== 'symlink') chmodSync(fsPath(path), entry.mode);
    if (entry.type !== 'dir') setTime(path, entry);
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
}

function setTime(path: string, entry: TarEntry): void {
  const { mtime, mtimeNs } = boundedTime(entry);
  const ns = BigInt(mtime) * 1_000_000_000n + BigInt(mtimeNs);
  lutimesNs(fsPath(path), ns, ns);
}
