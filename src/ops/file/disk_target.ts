/** A mounted tree that file actions write with system calls. */
import {
  chmodSync,
  closeSync,
  fchmodSync,
  fchownSync,
  linkSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import {
  deviceNumbers,
  futimesNs,
  hasXattrs,
  lchown,
  lgetxattr,
  llistxattr,
  lsetxattr,
  lutimesNs,
  mknod,
} from '../../platform/syscalls_files.ts';
import { copyRegular } from '../../snapshots/apply/copy_file.ts';
import { fsPath } from '../../snapshots/names.ts';
import { doing } from './failure.ts';
import type { Owner } from './owner.ts';
import type { Metadata, SourceFile, TargetFiles } from './target.ts';
import { MountedFiles } from './tree_files.ts';
import { isCopiedXattr } from './xattr_names.ts';

export class DiskTarget extends MountedFiles implements TargetFiles {
  readonly fresh: TargetFiles;

  /**
   * Both as binary strings. `upper`: of an overlay, the directory that takes what is new. A directory that was made
   * through the mount is there as a whole; overlayfs itself makes a file twice, in its work directory and by
   * renaming.
   */
  constructor(root: string, upper?: string) {
    super(root);
    this.fresh = upper === undefined ? this : new DiskTarget(upper);
  }

  mkdir(path: string, mode: number): void {
    mkdirSync(this.#path(path), mode);
  }

  /** Content and metadata while both files are open: no path is looked up again. */
  regular(path: string, source: SourceFile, { uid, gid, mode, time }: Metadata): void {
    let attributes = false;
    const finish = (target: number, opened: number): void =>
      doing('failed to copy file info', () => {
        fchownSync(target, uid, gid);
        fchmodSync(target, mode);
        attributes = hasXattrs(opened);
        futimesNs(target, time, time);
      });
    doing('failed to copy files', () => copyRegular(source.path, source.info, this.root + path, finish));
    if (attributes) this.copyXattrs(source, path);
  }

  empty(path: string): void {
    closeSync(openSync(this.#path(path), 'wx', 0o600));
  }

  write(path: string, data: Uint8Array, mode: number): void {
    const isNew = this.lstat(path) === undefined;
    writeFileSync(this.#path(path), data, { mode });
    if (isNew) this.setMode(path, mode);
  }

  symlink(target: string, path: string): void {
    symlinkSync(fsPath(target), this.#path(path));
  }

  link(first: string, path: string): void {
    linkSync(this.#path(first), this.#path(path));
  }

  special(path: string, mode: number, rdev: bigint): void {
    const { major, minor } = deviceNumbers(rdev);
    mknod(this.#path(path), mode, major, minor);
  }

  unlink(path: string): void {
    unlinkSync(this.#path(path));
  }

  removeAll(path: string): void {
    rmSync(this.#path(path), { recursive: true, force: true });
  }

  setOwner(path: string, { uid, gid }: Owner): void {
    lchown(this.#path(path), uid, gid);
  }

  setMode(path: string, mode: number): void {
    chmodSync(this.#path(path), mode);
  }

  setTime(path: string, time: bigint): void {
    lutimesNs(this.#path(path), time, time);
  }

  copyXattrs(source: SourceFile, path: string): void {
    const from = fsPath(source.path);
    try {
      for (const name of llistxattr(from)) {
        if (!isCopiedXattr(name, source)) continue;
        const value = lgetxattr(from, name);
        if (value !== undefined) lsetxattr(this.#path(path), name, value);
      }
    } catch {
      // BuildKit logs it and goes on.
    }
  }

  directory(path: string): string {
    return this.root + path;
  }

  #path(path: string): string | Buffer {
    return fsPath(this.root + path);
  }
}
