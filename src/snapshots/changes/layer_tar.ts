/**
 * Writes changes as a layer's tar, entry for entry as containerd's archive.ChangeWriter does (containerd v2
 * pkg/archive/tar.go): the diffID of a layer that was not made by running something is equal to BuildKit's.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { deviceNumbers, fgetxattr, lgetxattr } from '../../platform/syscalls_files.ts';
import { baseOf, fsPath, parentOf } from '../names.ts';
import { WHITEOUT_PREFIX, type EntryType, type TarEntry } from '../tar/entry.ts';
import type { TarWriter } from '../tar/writer.ts';
import type { ChangeKind } from './changes.ts';
import { join } from './changes.ts';
import { copyContent } from './file_content.ts';
import {
  lstat,
  readLink,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  type FileInfo,
} from './file_info.ts';

/** The one attribute that layers carry. */
const CAPABILITY = 'security.capability';
const TYPES: Partial<Record<number, EntryType>> = {
  [S_IFREG]: 'file',
  [S_IFDIR]: 'dir',
  [S_IFLNK]: 'symlink',
  [S_IFCHR]: 'char',
  [S_IFBLK]: 'block',
  [S_IFIFO]: 'fifo',
};

export class LayerTar {
  readonly #writer: TarWriter;
  readonly #root: string;
  /** Directories that have an entry. */
  readonly #dirs = new Set<string>();
  /** First name of each file with several links, by inode. */
  readonly #sources = new Map<bigint, string>();
  /** Unchanged names of such files, for when a changed one shows up. */
  readonly #unchanged = new Map<bigint, string[]>();

  /** `root`: where the upper tree's files are read from. */
  constructor(writer: TarWriter, root: string) {
    this.#writer = writer;
    this.#root = root;
  }

  /** One change. Parent directories get an entry before the first thing in them. */
  readonly handle = (kind: ChangeKind, path: string, info: FileInfo | undefined): void => {
    if (kind === 'delete' || info === undefined) {
      const name = join(parentOf(path), WHITEOUT_PREFIX + baseOf(path));
      this.#parents(name);
      this.#writer.header({ ...EMPTY, name });
      return;
    }
    // Sockets have no place in a tar.
    const type = TYPES[info.mode & S_IFMT];
    if (type === undefined) return;
    const source = join(this.#root, path);
    const entry = entryOf(type, path, info, type === 'symlink' ? readLink(source) : '');
    let links: string[] = [];
    if (type !== 'dir' && info.nlink > 1) {
      const first = this.#sources.get(info.ino);
      if (first !== undefined) {
        Object.assign(entry, { type: 'link', linkname: first, size: 0 });
      } else if (kind === 'unchanged') {
        const names = this.#unchanged.get(info.ino);
        if (names === undefined) this.#unchanged.set(info.ino, [path]);
        else names.push(path);
        return;
      } else {
        this.#sources.set(info.ino, path);
        links = this.#unchanged.get(info.ino) ?? [];
        this.#unchanged.delete(info.ino);
      }
    } else if (kind === 'unchanged') {
      return;
    }
    if (entry.type === 'file' && entry.size > 0) {
      const fd = openSync(fsPath(source), constants.O_RDONLY | constants.O_NOFOLLOW);
      try {
        this.#write(entry, fgetxattr(fd, CAPABILITY));
        copyContent(this.#writer, fd, path, info);
      } finally {
        closeSync(fd);
      }
    } else {
      this.#write(entry, lgetxattr(fsPath(source), CAPABILITY));
    }
    for (const name of links) {
      this.#parents(name);
      this.#writer.header({ ...entry, type: 'link', name, linkname: path, size: 0 });
    }
  };

  #write(entry: TarEntry, capability: Buffer | undefined): void {
    if (capability !== undefined && capability.length > 0) entry.xattrs = new Map([[CAPABILITY, capability]]);
    this.#parents(entry.name);
    if (entry.type === 'dir') this.#dirs.add(entry.name);
    this.#writer.header(entry);
  }

  #parents(name: string): void {
    const parent = parentOf(name);
    if (parent === '' || this.#dirs.has(parent)) return;
    this.#dirs.add(parent);
    const info = lstat(join(this.#root, parent));
    if (info === undefined) throw new Error(`${parent} is not there any more`);
    this.handle('modify', parent, info);
  }
}

const EMPTY: TarEntry = {
  type: 'file',
  name: '',
  linkname: '',
  mode: 0,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: 0,
  mtimeNs: 0,
  devMajor: 0,
  devMinor: 0,
  xattrs: undefined,
};

function entryOf(type: EntryType, name: string, info: FileInfo, linkname: string): TarEntry {
  const device = type === 'char' || type === 'block' ? deviceNumbers(info.rdev) : { major: 0, minor: 0 };
  return {
    type,
    name,
    linkname,
    mode: info.mode & 0o7777,
    uid: info.uid,
    gid: info.gid,
    size: type === 'file' ? info.size : 0,
    mtime: info.mtime,
    mtimeNs: info.mtimeNs,
    devMajor: device.major,
    devMinor: device.minor,
    xattrs: undefined,
  };
}
