/** A mounted tree that file actions write with system calls. */
import {
  chmodSync,
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { deviceNumbers, lchown, lutimesNs, mknod } from '../../platform/syscalls_files.ts';
import { fsPath } from '../../snapshots/names.ts';
import type { Owner } from './owner.ts';
import { copyXattrs, writeRegular } from './regular_file.ts';
import type { SharedCopies } from './shared_copies.ts';
import type { Metadata, SourceFile, TargetFiles } from './target.ts';
import { MountedFiles } from './tree_files.ts';

export interface FreshFiles {
  /**
   * Of an overlay, the directory that takes what is new, a binary string. A directory that was made through the
   * mount is there as a whole; overlayfs itself makes a file twice, in its work directory and by renaming.
   */
  upper?: string | undefined;
  /** Copies regular files together with other threads, which see neither the mount nor another's. */
  copies: SharedCopies;
}

export class DiskTarget extends MountedFiles implements TargetFiles {
  readonly fresh: TargetFiles;
  readonly #copies: SharedCopies | undefined;

  /**
   * @param root a binary string
   * @param fresh where and how files are made that go into new directories of this tree; undefined: as all others
   */
  constructor(root: string, fresh?: FreshFiles) {
    super(root);
    this.#copies = fresh?.copies;
    this.fresh = fresh === undefined ? this : new FreshTarget(fresh.upper ?? root, fresh.copies);
  }

  mkdir(path: string, mode: number): void {
    mkdirSync(this.#path(path), mode);
  }

  regular(path: string, source: SourceFile, metadata: Metadata): void {
    writeRegular(source, this.root + path, metadata);
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
    copyXattrs(source, this.root + path);
  }

  settle(): void {
    this.#copies?.settle();
  }

  directory(path: string): string {
    return this.root + path;
  }

  #path(path: string): string | Buffer {
    return fsPath(this.root + path);
  }
}

/** New directories, whose files may be copied later than they are asked for. */
class FreshTarget extends DiskTarget {
  readonly #copies: SharedCopies;

  constructor(root: string, copies: SharedCopies) {
    super(root);
    this.#copies = copies;
  }

  override regular(path: string, source: SourceFile, metadata: Metadata): void {
    // Other threads have no mount of a snapshot's files; what has a second name must be there when that is made.
    if (!source.fromClient || source.info.nlink > 1) super.regular(path, source, metadata);
    else this.#copies.add({ source, to: this.root + path, metadata });
  }
}
