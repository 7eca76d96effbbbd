/**
 * The layer that file actions would make, as a plan: what they would write is noted in memory, over a base that is
 * only read. The plan becomes the layer's tar without a directory in between (layer_entries.ts).
 *
 * It notes what is plain. Everything else throws NeedsDisk, and the actions are run on a real directory: what a file
 * system refuses, what replaces directories or leaves deletions, and what a tar of a layer cannot hold but a
 * directory can.
 */
import { lgetxattr, llistxattr } from '../../platform/syscalls_files.ts';
import {
  isDirectory,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  type FileInfo,
} from '../../snapshots/changes/file_info.ts';
import { baseOf, fsPath, parentOf } from '../../snapshots/names.ts';
import { WHITEOUT_PREFIX } from '../../snapshots/tar/entry.ts';
import { systemFailure } from './failure.ts';
import type { IdMaps } from './id_maps.ts';
import { NeedsDisk } from './needs_disk.ts';
import type { Owner } from './owner.ts';
import type { Metadata, SourceFile, TargetFiles } from './target.ts';
import type { TreeFiles } from './tree_files.ts';
import { isCopiedXattr } from './xattr_names.ts';

const CAPABILITY = 'security.capability';
/** The label that the machine's policy gives a file; no layer has it. */
const LABEL = 'security.selinux';
const SETGID = 0o2000;
const EEXIST = 17;
/** The kernel's NAME_MAX. */
const MAX_NAME_BYTES = 255;
/** Leaves room for the place of the store in the kernel's PATH_MAX. */
const MAX_PATH_BYTES = 3000;
/** All file systems hold times from 1970 up to here, in 2242. */
const MAX_SECONDS = 2 ** 33;
const SECOND = 1_000_000_000n;

/** What names of the plan stand for; several names of one file share it. */
export interface PlannedFile {
  /** With the type bits. */
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtime: number;
  mtimeNs: number;
  /** How many names of the plan it has. */
  names: number;
  /** Target of a symlink. */
  target: string;
  /** Where its content is. */
  content: { source: SourceFile } | { data: Uint8Array } | undefined;
  capability: Buffer | undefined;
}

export class PlannedTarget implements TargetFiles {
  readonly root = '';
  readonly fromClient = false;
  readonly fresh = this;
  readonly base: TreeFiles;
  /** By path: everything new, and the directories of the base that change. */
  readonly files = new Map<string, PlannedFile>();
  /** Directories that the base does not have. */
  readonly #new = new Set<string>();
  /** Files of the base that were removed; each must be replaced by another. */
  readonly #gone = new Set<string>();
  readonly #ids: IdMaps;

  /** @param base what the layer is made over; NO_FILES: scratch */
  constructor(base: TreeFiles, ids: IdMaps) {
    this.base = base;
    this.#ids = ids;
    const root = base.lstat('');
    this.files.set('', root === undefined ? made(S_IFDIR | 0o755) : copiedUp(base, '', root));
  }

  /** The file of the base at a path; undefined: none. */
  lower(path: string): FileInfo | undefined {
    return this.#new.has(parentOf(path)) ? undefined : this.base.lstat(path);
  }

  /** @throws NeedsDisk when the layer would have to tell that something was deleted */
  checkDeletions(): void {
    if (this.#gone.size > 0) throw new NeedsDisk('a file of the base is deleted');
  }

  lstat(path: string): FileInfo | undefined {
    const planned = this.files.get(path);
    if (planned !== undefined) return infoOf(planned);
    if (this.#gone.has(path)) return undefined;
    const parent = parentOf(path);
    const above = this.files.get(parent);
    if (above !== undefined && !isDirectoryMode(above.mode)) throw new NeedsDisk('a path through a file');
    return this.lower(path);
  }

  readlink(path: string): string {
    return this.files.get(path)?.target ?? this.base.readlink(path);
  }

  names(): string[] {
    throw new NeedsDisk('patterns in the target');
  }

  mkdir(path: string, mode: number): void {
    if (this.#gone.has(path)) throw new NeedsDisk('a directory replaces a file');
    this.#create(path, made(S_IFDIR | mode));
    this.#new.add(path);
  }

  regular(path: string, source: SourceFile, metadata: Metadata): void {
    const file = made(S_IFREG, { size: source.info.size, content: { source } });
    this.#create(path, file);
    this.setOwner(path, metadata);
    this.setMode(path, metadata.mode);
    this.setTime(path, metadata.time);
    this.copyXattrs(source, path);
  }

  empty(path: string): void {
    this.#create(path, made(S_IFREG | 0o600));
  }

  write(path: string, data: Uint8Array, mode: number): void {
    this.#create(path, made(S_IFREG | mode, { size: data.length, content: { data } }));
  }

  symlink(target: string, path: string): void {
    if (target === '' || target.length > MAX_PATH_BYTES) throw new NeedsDisk('the target of a link');
    this.#create(path, made(S_IFLNK | 0o777, { size: target.length, target }));
  }

  link(first: string, path: string): void {
    const file = this.files.get(first);
    if (file === undefined) throw new NeedsDisk('a link to a file of the base');
    this.#create(path, file);
    file.names++;
  }

  special(): void {
    throw new NeedsDisk('a device, fifo or socket');
  }

  unlink(path: string): void {
    const info = this.lstat(path);
    if (info === undefined || isDirectory(info)) throw new NeedsDisk('a directory is removed');
    const planned = this.files.get(path);
    if (planned !== undefined) {
      planned.names--;
      this.files.delete(path);
    }
    if (this.lower(path) !== undefined) this.#gone.add(path);
    this.#touch(parentOf(path));
  }

  removeAll(path: string): void {
    if (this.lstat(path) !== undefined) this.unlink(path);
  }

  setOwner(path: string, { uid, gid }: Owner): void {
    if (!this.#ids.has(uid, gid)) throw new NeedsDisk('an owner that cannot be given');
    Object.assign(this.#change(path), { uid, gid });
  }

  setMode(path: string, mode: number): void {
    const file = this.#change(path);
    file.mode = (file.mode & S_IFMT) | mode;
  }

  setTime(path: string, time: bigint): void {
    const mtime = Number(time / SECOND);
    if (time < 0n || mtime > MAX_SECONDS) throw new NeedsDisk('a time out of the ordinary');
    Object.assign(this.#change(path), { mtime, mtimeNs: Number(time % SECOND) });
  }

  copyXattrs(source: SourceFile, path: string): void {
    let names: string[];
    try {
      names = llistxattr(fsPath(source.path));
    } catch {
      return;
    }
    for (const name of names) {
      if (name === LABEL || !isCopiedXattr(name, source)) continue;
      // A directory of the store keeps them, a layer does not.
      if (name !== CAPABILITY || !this.#ids.all) throw new NeedsDisk(`the attribute ${name}`);
      this.#change(path).capability = lgetxattr(fsPath(source.path), name);
    }
  }

  settle(): void {}

  directory(): string {
    throw new NeedsDisk('an archive to unpack');
  }

  #create(path: string, file: PlannedFile): void {
    const name = baseOf(path);
    if (name.length > MAX_NAME_BYTES || path.length > MAX_PATH_BYTES) throw new NeedsDisk('a long name');
    if (name.startsWith(WHITEOUT_PREFIX)) throw new NeedsDisk('a name that means a deletion in a layer');
    if (this.lstat(path) !== undefined) throw systemFailure('EEXIST', EEXIST, 'open', path);
    this.#touch(parentOf(path));
    this.files.set(path, file);
    this.#gone.delete(path);
  }

  /** A directory whose entries change. */
  #touch(path: string): void {
    const directory = this.#change(path);
    if (!isDirectoryMode(directory.mode)) throw new NeedsDisk('a path through a file');
    // What is made in it would inherit the group.
    if ((directory.mode & SETGID) !== 0) throw new NeedsDisk('a directory with the setgid bit');
    Object.assign(directory, now());
  }

  /** A planned file, or a directory of the base that changes from now on. */
  #change(path: string): PlannedFile {
    const planned = this.files.get(path);
    if (planned !== undefined) return planned;
    const info = this.lstat(path);
    if (info === undefined || !isDirectory(info)) throw new NeedsDisk('a file of the base changes');
    const file = copiedUp(this.base, path, info);
    this.files.set(path, file);
    return file;
  }
}

/** As overlayfs copies up a directory: with everything but what is in it. */
export function copiedUp(base: TreeFiles, path: string, info: FileInfo): PlannedFile {
  const { mode, uid, gid, mtime, mtimeNs } = info;
  const capability = lgetxattr(fsPath(base.root + path), CAPABILITY);
  return { ...made(mode), uid, gid, mtime, mtimeNs, capability };
}

/** As the kernel makes it: owned by who makes it, now. */
function made(mode: number, more: Partial<PlannedFile> = {}): PlannedFile {
  return {
    mode,
    uid: process.geteuid?.() ?? 0,
    gid: process.getegid?.() ?? 0,
    size: 0,
    ...now(),
    names: 1,
    target: '',
    content: undefined,
    capability: undefined,
    ...more,
  };
}

function now(): { mtime: number; mtimeNs: number } {
  const ms = Date.now();
  return { mtime: Math.floor(ms / 1000), mtimeNs: (ms % 1000) * 1_000_000 };
}

/** As lstat(2) would tell; the inode is none that a file system has. */
export function infoOf(file: PlannedFile): FileInfo {
  const { mode, uid, gid, size, mtime, mtimeNs } = file;
  const numbers = { ino: -1n, dev: -1n, rdev: 0n };
  return { mode, uid, gid, size, allocated: size, mtime, mtimeNs, nlink: file.names, ...numbers };
}

function isDirectoryMode(mode: number): boolean {
  return (mode & S_IFMT) === S_IFDIR;
}
