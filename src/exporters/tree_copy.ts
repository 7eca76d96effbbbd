/** The job of `type=local`: files of snapshots into a directory, as buildx receives them (fsutil's DiskWriter). */
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { CairnError } from '../errors/error.ts';
import type { JobContext } from '../platform/contract.ts';
import { deviceNumbers, lchown, lsetxattr, mknod, reflink } from '../platform/syscalls_files.ts';
import { removeAbandoned, temporaryName } from '../platform/temporary_name.ts';
import { readXattrs, setTime } from '../snapshots/apply/metadata.ts';
import { join } from '../snapshots/changes/changes.ts';
import {
  isDirectory,
  lstat,
  S_IFLNK,
  S_IFMT,
  sortedNames,
  type FileInfo,
} from '../snapshots/changes/file_info.ts';
import { displayName, fsPath, parentOf, toBinary } from '../snapshots/names.ts';
import { isRegular, walkTree, type ExportFile, type ExportTree } from './tree_files.ts';

/** Least time between two reports, in milliseconds. */
const REPORT_EVERY_MS = 100;

export interface TreeCopyArgs {
  trees: ExportTree[];
  /** An existing directory. */
  target: string;
  /** Everything else that is in the target is removed afterwards. */
  deleteOthers: boolean;
  /** Owner of all files: whoever receives them, as with buildx. */
  uid: number;
  gid: number;
}

/** Bytes of file content so far of tree `index`. */
export interface TreeCopyReport {
  index: number;
  bytes: number;
}

/** @throws CairnError USAGE when two platforms have the same file and no directories of their own */
export function treeCopy(args: TreeCopyArgs, context: JobContext): void {
  const copier = new TreeCopier(args);
  let reported = 0;
  for (const [index, tree] of args.trees.entries()) {
    let bytes = 0;
    walkTree(tree, context, (file) => {
      copier.put(file, tree.name);
      if (!isRegular(file.info) || file.hardLink) return;
      bytes += file.info.size;
      if (performance.now() - reported < REPORT_EVERY_MS) return;
      reported = performance.now();
      context.post({ index, bytes } satisfies TreeCopyReport);
    });
    context.post({ index, bytes } satisfies TreeCopyReport);
  }
  copier.finish();
}

class TreeCopier {
  readonly #args: TreeCopyArgs;
  readonly #target: string;
  /** Path → platform that it came from. */
  readonly #written = new Map<string, string>();
  readonly #directories: { path: string; info: FileInfo }[] = [];
  readonly #tidied = new Set<string>();

  constructor(args: TreeCopyArgs) {
    this.#args = args;
    this.#target = toBinary(args.target);
  }

  put(file: ExportFile, platform: string): void {
    const { path, info } = file;
    const other = this.#written.get(path);
    const directory = isDirectory(info);
    if (other !== undefined && !directory) {
      throw new CairnError(
        `cannot overwrite ${displayName(path)} from ${other} with ${platform} when split option is disabled`,
        { code: 'USAGE', hint: 'leave platform-split=false out' },
      );
    }
    this.#written.set(path, platform);
    const to = join(this.#target, path);
    const existing = lstat(to);
    if (directory) {
      if (existing !== undefined && !isDirectory(existing)) rmSync(fsPath(to));
      if (existing === undefined || !isDirectory(existing)) {
        mkdirSync(fsPath(to), 0o700);
        this.#tidied.add(to);
      }
      this.#own(to);
      copyXattrs(file, to);
      // Writable while it is filled; mode and time come last.
      chmodSync(fsPath(to), (info.mode & 0o7777) | 0o700);
      this.#directories.push({ path: to, info });
      return;
    }
    // What is made in one step may have its name at once.
    if (existing === undefined && !(isRegular(info) && !file.hardLink && info.size > 0)) {
      this.#make(file, to);
      return;
    }
    const made = this.#beside(to);
    try {
      this.#make(file, made);
      if (existing !== undefined && isDirectory(existing)) rmSync(fsPath(to), { recursive: true });
      renameSync(fsPath(made), fsPath(to));
    } catch (error) {
      rmSync(fsPath(made), { force: true });
      throw error;
    }
  }

  finish(): void {
    if (this.#args.deleteOthers) this.#deleteOthers('');
    // The inner ones first: a change of mode may close the way to them.
    for (const { path, info } of this.#directories.toReversed()) {
      chmodSync(fsPath(path), info.mode & 0o7777);
      setTime(path, info);
    }
  }

  #make(file: ExportFile, to: string): void {
    const { info, source, linkname } = file;
    // Of devices and pipes buildx makes every name anew.
    if (file.hardLink && isRegular(info)) {
      linkSync(fsPath(join(this.#target, linkname)), fsPath(to));
      return;
    }
    if (source === undefined) throw new Error('a file without a source');
    const symlink = (info.mode & S_IFMT) === S_IFLNK;
    if (symlink) symlinkSync(fsPath(linkname), fsPath(to));
    else if (isRegular(info)) copyContent(source, to);
    else makeSpecial(file, to);
    this.#own(to);
    copyXattrs(file, to);
    if (!symlink) chmodSync(fsPath(to), info.mode & 0o7777);
    setTime(to, info);
  }

  /** A temporary name in the directory of `to`, from which is removed what killed exports left. */
  #beside(to: string): string {
    const directory = parentOf(to);
    if (!this.#tidied.has(directory)) removeAbandoned(fsPath(directory));
    this.#tidied.add(directory);
    return join(directory, temporaryName());
  }

  #own(path: string): void {
    lchown(fsPath(path), this.#args.uid, this.#args.gid);
  }

  #deleteOthers(directory: string): void {
    for (const name of sortedNames(join(this.#target, directory))) {
      const path = join(directory, name);
      const full = join(this.#target, path);
      const info = lstat(full);
      if (!this.#written.has(path)) rmSync(fsPath(full), { recursive: true, force: true });
      else if (info !== undefined && isDirectory(info)) this.#deleteOthers(path);
    }
  }
}

function copyContent(source: string, to: string): void {
  const from = openSync(fsPath(source), 'r');
  let shared = false;
  try {
    const target = openSync(fsPath(to), constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    try {
      shared = reflink(target, from);
    } finally {
      closeSync(target);
    }
  } finally {
    closeSync(from);
  }
  if (!shared) copyFileSync(fsPath(source), fsPath(to));
}

function makeSpecial({ path, info }: ExportFile, to: string): void {
  const { major, minor } = deviceNumbers(info.rdev);
  try {
    mknod(fsPath(to), info.mode, major, minor);
  } catch (error) {
    throw new CairnError(`cannot make the device ${displayName(path)} in the destination`, {
      code: 'DENIED',
      hint: 'run as root, or use --output type=tar',
      cause: error,
    });
  }
}

/** Attributes are set where the destination's file system and this user's rights allow, as buildx does. */
function copyXattrs({ source }: ExportFile, to: string): void {
  if (source === undefined) return;
  for (const [name, value] of readXattrs(source)) {
    try {
      lsetxattr(fsPath(to), name, value);
    } catch {
      continue;
    }
  }
}
