/**
 * Unpacks a layer's tar into a directory: in overlay format (whiteouts as devices and attributes, files only of
 * this layer), or onto a complete tree. What comes out is what containerd's archive.Apply makes (containerd v2
 * pkg/archive), but entries that lead out of the root are refused.
 */
import {
  chmodSync,
  constants,
  linkSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { CairnError } from '../../errors/error.ts';
import { lsetxattr, mknod, S_IFBLK, S_IFCHR, S_IFIFO } from '../../platform/syscalls_files.ts';
import { join } from '../changes/changes.ts';
import { isDirectory, isWhiteout, lstat, sortedNames } from '../changes/file_info.ts';
import { baseOf, displayName, fsPath, parentOf } from '../names.ts';
import { WHITEOUT_OPAQUE, WHITEOUT_PREFIX, type TarEntry } from '../tar/entry.ts';
import type { TarHandler } from '../tar/reader.ts';
import { copyFile } from './copy_file.ts';
import { copyDirectoryMetadata, setOwner, setTime, setXattrs } from './metadata.ts';
import { OpenFile } from './open_file.ts';
import { cleanName, resolveBelow } from './root_path.ts';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
const MAX_MAJOR = 0xfff;
const MAX_MINOR = 0xfffff;

export interface ApplyTarget {
  /** Binary string. */
  root: string;
  /** `overlay` names the attribute of opaque directories; `tree`: whiteouts remove files. */
  format: { kind: 'overlay'; opaque: 'trusted.overlay.opaque' | 'user.overlay.opaque' } | { kind: 'tree' };
  /** Directories of the layers below, topmost first: for implied parents and links to files there. */
  lowers: readonly string[];
}

/** Feed it from a {@link TarReader}, then call {@link finish}. */
export class LayerApplier implements TarHandler {
  readonly #target: ApplyTarget;
  /** Directories that are known to be real ones, by name, and their resolved name. */
  readonly #dirs = new Map<string, string>([['', '']]);
  /** Times to be set at the end, when nothing is made in them any more. */
  readonly #dirTimes = new Map<string, { mtime: number; mtimeNs: number }>();
  /** Names written by this layer: whiteouts in a tree do not touch them. */
  readonly #written = new Set<string>();
  readonly #umask = process.umask();
  readonly #uid = process.geteuid?.() ?? 0;
  readonly #gid = process.getegid?.() ?? 0;
  /** A directory with setgid hands its group on to new files. */
  #setgidSeen = false;
  /** A whiteout or an opaque directory was unpacked. */
  whiteouts = false;
  #open: { file: OpenFile; owned: boolean } | undefined;

  constructor(target: ApplyTarget) {
    this.#target = target;
  }

  entry(entry: TarEntry): void {
    const name = cleanName(entry.name, entry.name);
    // The root belongs to the snapshot, not to the layer.
    if (name === '') return;
    const dir = this.#directory(parentOf(name), entry.name);
    const base = baseOf(name);
    if (base === WHITEOUT_OPAQUE) return this.#opaque(dir);
    const relative = join(dir, base);
    if (base.startsWith(WHITEOUT_PREFIX))
      return this.#whiteout(dir, base.slice(WHITEOUT_PREFIX.length), entry);
    this.#make(entry, relative, join(this.#target.root, relative));
    if (this.#target.format.kind === 'tree') this.#written.add(relative);
  }

  data(bytes: Uint8Array, position: number): void {
    this.#open?.file.write(bytes, position);
  }

  close(): void {
    const open = this.#open;
    this.#open = undefined;
    open?.file.finish({ owned: open.owned && !this.#setgidSeen, umask: this.#umask });
  }

  /** Sets the directories' times. Call when the tar has ended. */
  finish(): void {
    for (const [name, time] of this.#dirTimes) setTime(join(this.#target.root, name), time);
  }

  /** Closes what an error left open. */
  abandon(): void {
    this.#open?.file.abandon();
    this.#open = undefined;
  }

  #make(entry: TarEntry, relative: string, path: string): void {
    switch (entry.type) {
      case 'file': {
        const fd = this.#replacing(relative, path, () =>
          openSync(fsPath(path), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, entry.mode & 0o777),
        );
        const owned = entry.uid === this.#uid && entry.gid === this.#gid;
        this.#open = { file: new OpenFile(fd, path, entry), owned };
        return;
      }
      case 'dir':
        this.#makeDirectory(entry, relative, path);
        return;
      case 'link':
        // Everything else of a hard link is its target's.
        this.#link(entry, relative, path);
        // In a tree the file may be shared with the snapshot that it was copied from.
        if (this.#target.format.kind === 'tree') return;
        break;
      case 'symlink':
        this.#replacing(relative, path, () => symlinkSync(fsPath(entry.linkname), fsPath(path)));
        break;
      default:
        if (!this.#device(entry, relative, path)) return;
    }
    setOwner(path, entry.uid, entry.gid, entry.name);
    if (entry.xattrs !== undefined) setXattrs(path, entry.xattrs);
    if (entry.type !== 'symlink') this.#mode(path, entry);
    setTime(path, entry);
  }

  #mode(path: string, entry: TarEntry): void {
    // A hard link may lead to a symlink, whose mode nobody can set.
    const info = entry.type === 'link' ? lstat(path) : undefined;
    if (info === undefined || (info.mode & 0o170000) !== 0o120000) chmodSync(fsPath(path), entry.mode);
  }

  #makeDirectory(entry: TarEntry, relative: string, path: string): void {
    const old = lstat(path);
    if (old === undefined || !isDirectory(old)) {
      const hides = old !== undefined && isWhiteout(old) && this.#target.format.kind === 'overlay';
      if (old !== undefined) this.#remove(relative, path);
      mkdirSync(fsPath(path));
      // The layer removed what was there and made it anew.
      if (hides) this.#opaque(relative);
    }
    this.#dirs.set(relative, relative);
    setOwner(path, entry.uid, entry.gid, entry.name);
    if (entry.xattrs !== undefined) setXattrs(path, entry.xattrs);
    chmodSync(fsPath(path), entry.mode);
    if ((entry.mode & 0o2000) !== 0) this.#setgidSeen = true;
    this.#dirTimes.set(relative, { mtime: entry.mtime, mtimeNs: entry.mtimeNs });
  }

  #link(entry: TarEntry, relative: string, path: string): void {
    const clean = cleanName(entry.linkname, `${entry.name} (link to ${entry.linkname})`);
    const dir = resolveBelow(this.#target.root, parentOf(clean), entry.name);
    const target = join(dir, baseOf(clean));
    const from = join(this.#target.root, target);
    if (lstat(from) === undefined) this.#copyUp(entry, target, from);
    if (target === relative) return;
    this.#replacing(relative, path, () => linkSync(fsPath(from), fsPath(path)));
  }

  /** A link to a file of a lower layer: the file becomes part of this one, as overlayfs itself does. */
  #copyUp(entry: TarEntry, target: string, to: string): void {
    for (const lower of this.#target.lowers) {
      const from = join(lower, join(resolveBelow(lower, parentOf(target), entry.name), baseOf(target)));
      const info = lstat(from);
      if (info === undefined) continue;
      if (isWhiteout(info)) break;
      this.#directory(parentOf(target), entry.name);
      copyFile(from, info, to);
      return;
    }
    throw new CairnError(
      `tar entry ${displayName(entry.name)} is a link to ${displayName(entry.linkname)}, which is not there`,
      { code: 'CORRUPT' },
    );
  }

  /** False: left out, since devices cannot be made in a user namespace. */
  #device(entry: TarEntry, relative: string, path: string): boolean {
    if (
      entry.devMajor < 0 ||
      entry.devMajor > MAX_MAJOR ||
      entry.devMinor < 0 ||
      entry.devMinor > MAX_MINOR
    ) {
      throw new CairnError(
        `tar entry ${displayName(entry.name)}: device ${entry.devMajor}:${entry.devMinor} does not exist on Linux`,
        { code: 'CORRUPT' },
      );
    }
    const type = { char: S_IFCHR, block: S_IFBLK, fifo: S_IFIFO }[entry.type as 'char' | 'block' | 'fifo'];
    try {
      this.#replacing(relative, path, () =>
        mknod(fsPath(path), type | entry.mode, entry.devMajor, entry.devMinor),
      );
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EPERM' && entry.type !== 'fifo') return false;
      throw error;
    }
    return true;
  }

  #whiteout(dir: string, base: string, entry: TarEntry): void {
    if (base === '' || base === '.' || base === '..') {
      throw new CairnError(`tar entry ${displayName(entry.name)} is not a valid whiteout`, {
        code: 'CORRUPT',
      });
    }
    const relative = join(dir, base);
    const path = join(this.#target.root, relative);
    if (this.#target.format.kind === 'tree') {
      if (!this.#written.has(relative)) this.#remove(relative, path);
      return;
    }
    const there = lstat(path);
    this.whiteouts = true;
    if (there === undefined) {
      mknod(fsPath(path), S_IFCHR);
      if (entry.uid !== this.#uid || entry.gid !== this.#gid)
        setOwner(path, entry.uid, entry.gid, entry.name);
    } else if (isDirectory(there)) {
      this.#opaque(relative);
    }
  }

  #opaque(dir: string): void {
    const { format, root } = this.#target;
    if (format.kind === 'overlay') {
      this.whiteouts = true;
      // The root of a layer cannot be opaque by attribute when it is the lowest; nothing lies below it then.
      lsetxattr(fsPath(join(root, dir)), format.opaque, Buffer.from('y'));
      return;
    }
    const clear = (at: string): void => {
      for (const name of sortedNames(join(root, at))) {
        const relative = join(at, name);
        const info = lstat(join(root, relative));
        if (!this.#written.has(relative) && !this.#dirTimes.has(relative)) {
          this.#remove(relative, join(root, relative));
        } else if (info !== undefined && isDirectory(info)) clear(relative);
      }
    };
    clear(dir);
  }

  /** Runs `make`; what already has the name is removed first, unless nothing has. */
  #replacing<T>(relative: string, path: string, make: () => T): T {
    try {
      return make();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EEXIST' && code !== 'ELOOP') throw error;
      this.#remove(relative, path);
      return make();
    }
  }

  #remove(relative: string, path: string): void {
    const info = lstat(path);
    if (info === undefined) return;
    if (!isDirectory(info)) {
      unlinkSync(fsPath(path));
      this.#written.delete(relative);
      return;
    }
    rmSync(fsPath(path), { recursive: true, force: true });
    const below = `${relative}/`;
    for (const known of [this.#dirs, this.#dirTimes, this.#written]) {
      for (const key of known.keys()) if (key === relative || key.startsWith(below)) known.delete(key);
    }
    // Names that led through what is gone.
    for (const [key, resolved] of this.#dirs) {
      if (resolved === relative || resolved.startsWith(below)) this.#dirs.delete(key);
    }
  }

  /** The directory of an entry, links resolved, made where it is missing. */
  #directory(name: string, what: string): string {
    const known = this.#dirs.get(name);
    if (known !== undefined) return known;
    const resolved = resolveBelow(this.#target.root, name, what);
    this.#ensure(resolved, what);
    this.#dirs.set(name, resolved);
    return resolved;
  }

  #ensure(name: string, what: string): void {
    if (this.#dirs.get(name) === name) return;
    const path = join(this.#target.root, name);
    const info = lstat(path);
    if (info !== undefined && isDirectory(info)) {
      if ((info.mode & 0o2000) !== 0) this.#setgidSeen = true;
      this.#dirs.set(name, name);
      return;
    }
    const hides = info !== undefined && isWhiteout(info) && this.#target.format.kind === 'overlay';
    if (info !== undefined && !hides) {
      throw new CairnError(`tar entry ${displayName(what)}: ${displayName(name)} is not a directory`, {
        code: 'CORRUPT',
      });
    }
    if (hides) this.#remove(name, path);
    this.#ensure(parentOf(name), what);
    mkdirSync(fsPath(path), 0o755);
    this.#dirs.set(name, name);
    if (hides) this.#opaque(name);
    else this.#inherit(name, path);
  }

  /** A directory that the layer only implies looks as it does below. */
  #inherit(name: string, path: string): void {
    for (const lower of this.#target.lowers) {
      const from = join(lower, resolveBelow(lower, name, name));
      const info = lstat(from);
      if (info === undefined) continue;
      if (!isDirectory(info)) return;
      copyDirectoryMetadata(from, info, path);
      if ((info.mode & 0o2000) !== 0) this.#setgidSeen = true;
      this.#dirTimes.set(name, { mtime: info.mtime, mtimeNs: info.mtimeNs });
      return;
    }
    chmodSync(fsPath(path), 0o755);
  }
}
