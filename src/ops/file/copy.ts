/**
 * Copies files and directories from one tree to another as `cp -a` would: the rules of
 * github.com/tonistiigi/fsutil/copy as BuildKit v0.32.2 uses it.
 */
import {
  chmodSync,
  closeSync,
  fchmodSync,
  fchownSync,
  linkSync,
  mkdirSync,
  openSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { CairnError } from '../../errors/error.ts';
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
import {
  isDirectory,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  type FileInfo,
} from '../../snapshots/changes/file_info.ts';
import { displayName, fsPath } from '../../snapshots/names.ts';
import {
  optionalMatcher,
  type PatternMatcher,
  type MatchInfo,
} from '../../snapshots/patterns/pattern_matcher.ts';
import { doing, refusal } from './failure.ts';
import type { ModeChange } from './mode.ts';
import type { Owner } from './owner.ts';
import { setTimestamp, type Timestamp } from './target.ts';
import { lstatAt, type TreeFiles } from './tree_files.ts';

export interface CopyOptions {
  /** Undefined: the owner of the source. */
  owner: Owner | undefined;
  /** Undefined: the time of the source. */
  time: Timestamp;
  /** Undefined: the mode of the source. */
  mode: ModeChange | undefined;
  includePatterns: readonly string[];
  excludePatterns: readonly string[];
  /** Files may replace directories and the other way round. */
  alwaysReplace: boolean;
  /** Where to make what goes into a directory that this copy has just made: MountedFiles.direct(). */
  direct(path: string): string;
  signal: { readonly aborted: boolean };
}

/** A source directory on the way to the current file, which may have to be made once something in it is copied. */
interface Parent {
  source: string;
  target: string;
  copied: boolean;
}

interface Matches {
  include: MatchInfo | undefined;
  exclude: MatchInfo | undefined;
}

/** One copy action's state; hard links among its files are kept. */
export class Copier {
  readonly #files: TreeFiles;
  readonly #options: CopyOptions;
  readonly #include: PatternMatcher | undefined;
  readonly #exclude: PatternMatcher | undefined;
  readonly #links = new Map<string, string>();
  readonly #parents: Parent[] = [];

  /** @throws CairnError USAGE for malformed patterns */
  constructor(files: TreeFiles, options: CopyOptions) {
    this.#files = files;
    this.#options = options;
    this.#include = optionalMatcher('includepatterns', options.includePatterns);
    this.#exclude = optionalMatcher('excludepatterns', options.excludePatterns);
  }

  /**
   * @param source path in the source tree
   * @param target full path whose symlinks have been resolved
   */
  copy(source: string, target: string): void {
    this.#copy(source, '', target, false, { include: undefined, exclude: undefined }, false);
  }

  /**
   * `relative`: path below what is copied, empty for itself. `overwrite`: an existing directory takes the source's
   * metadata. `fresh`: this copy has just made the target's directory, and nothing can be at the target.
   */
  #copy(
    source: string,
    relative: string,
    target: string,
    overwrite: boolean,
    parent: Matches,
    fresh: boolean,
  ): void {
    if (this.#options.signal.aborted) throw new CairnError('canceled', { code: 'CANCELED' });
    const verdict = this.#match(relative, parent);
    if (!verdict.included && this.#include === undefined && this.#exclude?.exclusions !== true) return;
    const info = doing(`failed to stat ${displayName(source)}`, () => this.#files.lstat(source));
    if (info === undefined) return;
    const isDir = isDirectory(info);
    if (!verdict.included && !isDir) return;
    const there = fresh ? undefined : doing(`failed to stat ${displayName(target)}`, () => lstatAt(target));
    if (verdict.included) {
      this.#replace(target, isDir, there);
      this.#makeParents(overwrite);
    }
    if (!isDir) {
      if (!fresh) makeRoom(target);
      this.#file(source, info, target, fresh);
      return;
    }
    const created = this.#directory(source, relative, target, info, overwrite, verdict, fresh);
    const place = this.#place(target, fresh);
    // A directory that was there keeps its owner and mode, and gets the source's time.
    if (overwrite ? verdict.included : created) this.#metadata(source, info, place);
    else if (!overwrite && there !== undefined) this.#time(info, place);
  }

  #place(target: string, fresh: boolean): string {
    return fresh ? this.#options.direct(target) : target;
  }

  #match(relative: string, parent: Matches): { included: boolean; excluded: boolean; matches: Matches } {
    const matches: Matches = { include: undefined, exclude: undefined };
    if (relative === '') return { included: true, excluded: false, matches };
    const path = displayName(relative);
    let included = true;
    if (this.#include !== undefined) {
      const result = this.#include.matchesUsingParentResults(path, parent.include);
      matches.include = result.info;
      included = result.matched;
    }
    if (this.#exclude === undefined) return { included, excluded: false, matches };
    const result = this.#exclude.matchesUsingParentResults(path, parent.exclude);
    matches.exclude = result.info;
    return { included: included && !result.matched, excluded: result.matched, matches };
  }

  #replace(target: string, isDir: boolean, there: FileInfo | undefined): void {
    if (!this.#options.alwaysReplace || there === undefined || (isDir && isDirectory(there))) return;
    rmSync(fsPath(target), { recursive: true, force: true });
  }

  /** Makes the directories above that no pattern selected by themselves. */
  #makeParents(overwrite: boolean): void {
    for (const parent of this.#parents) {
      if (parent.copied) continue;
      parent.copied = true;
      const info = this.#files.lstat(parent.source);
      if (info === undefined) continue;
      if (makeDirectory(parent.target, info, overwrite)) this.#metadata(parent.source, info, parent.target);
    }
  }

  #directory(
    source: string,
    relative: string,
    target: string,
    info: FileInfo,
    overwrite: boolean,
    verdict: { included: boolean; excluded: boolean; matches: Matches },
    fresh: boolean,
  ): boolean {
    const place = this.#place(target, fresh);
    const created = verdict.included && makeDirectory(place, info, overwrite);
    if (verdict.excluded && this.#exclude?.exclusions !== true) return false;
    this.#parents.push({ source, target, copied: verdict.included });
    for (const name of doing(`failed to read ${displayName(source)}`, () => this.#files.names(source))) {
      const below = relative === '' ? name : `${relative}/${name}`;
      this.#copy(`${source}/${name}`, below, `${target}/${name}`, true, verdict.matches, created);
    }
    this.#parents.pop();
    return created;
  }

  #file(source: string, info: FileInfo, target: string, fresh: boolean): void {
    const from = this.#files.root + source;
    const place = this.#place(target, fresh);
    switch (info.mode & S_IFMT) {
      case S_IFREG: {
        const link = this.#linkTo(info, target);
        if (link === undefined && info.size > 0) {
          this.#regular(source, info, place);
          return;
        }
        if (link !== undefined) {
          const first = this.#place(link, fresh);
          doing('failed to create hard link', () => linkSync(fsPath(first), fsPath(place)));
        } else doing('failed to copy files', () => closeSync(openSync(fsPath(place), 'wx', 0o600)));
        break;
      }
      case S_IFLNK: {
        const link = doing(`failed to read link: ${displayName(source)}`, () =>
          readlinkSync(fsPath(from), { encoding: 'latin1' }),
        );
        doing(`failed to create symlink: ${displayName(target)}`, () =>
          symlinkSync(fsPath(link), fsPath(place)),
        );
        break;
      }
      default: {
        const { major, minor } = deviceNumbers(info.rdev);
        // Of a socket only an empty file can be kept.
        const mode = (info.mode & S_IFMT) === S_IFSOCK ? (info.mode & 0o7777) | S_IFREG : info.mode;
        doing('failed to create device', () => mknod(fsPath(place), mode, major, minor));
      }
    }
    this.#metadata(source, info, place);
  }

  /** Content and metadata while both files are open: no path is looked up again. */
  #regular(source: string, info: FileInfo, place: string): void {
    const from = this.#files.root + source;
    let attributes = false;
    const finish = (target: number, opened: number): void =>
      doing('failed to copy file info', () => {
        fchownSync(target, ...this.#owner(info));
        fchmodSync(target, this.#mode(info));
        attributes = hasXattrs(opened);
        const time = this.#options.time ?? mtimeNs(info);
        futimesNs(target, time, time);
      });
    doing('failed to copy files', () => copyRegular(from, info, place, finish));
    if (attributes) this.#xattrs(from, place);
  }

  /** Where the first name of a file with several was copied to. */
  #linkTo(info: FileInfo, target: string): string | undefined {
    if (info.nlink < 2) return undefined;
    const key = `${info.dev}:${info.ino}`;
    const first = this.#links.get(key);
    if (first === undefined) this.#links.set(key, target);
    return first;
  }

  #metadata(source: string, info: FileInfo, target: string): void {
    doing('failed to copy file info', () => {
      lchown(fsPath(target), ...this.#owner(info));
      if ((info.mode & S_IFMT) !== S_IFLNK) chmodSync(fsPath(target), this.#mode(info));
      this.#time(info, target);
    });
    this.#xattrs(this.#files.root + source, target);
  }

  #owner(info: FileInfo): [uid: number, gid: number] {
    const { owner } = this.#options;
    return owner === undefined ? [info.uid, info.gid] : [owner.uid, owner.gid];
  }

  #mode(info: FileInfo): number {
    const { mode } = this.#options;
    const bits = info.mode & 0o7777;
    return mode === undefined ? bits : mode(bits, isDirectory(info));
  }

  #time(info: FileInfo, target: string): void {
    const { time } = this.#options;
    if (time !== undefined) return setTimestamp(target, time);
    lutimesNs(fsPath(target), mtimeNs(info), mtimeNs(info));
  }

  /** What the target's file system cannot hold is left out, as in BuildKit. */
  #xattrs(source: string, target: string): void {
    try {
      for (const name of llistxattr(fsPath(source))) {
        // Overlayfs's own would change what a layer means.
        if (/^(?:trusted|user)\.overlay\./.test(name)) continue;
        if (this.#files.fromClient && name.startsWith('com.apple.')) continue;
        const value = lgetxattr(fsPath(source), name);
        if (value !== undefined) lsetxattr(fsPath(target), name, value);
      }
    } catch {
      // BuildKit logs it and goes on.
    }
  }
}

function mtimeNs({ mtime, mtimeNs: rest }: FileInfo): bigint {
  return BigInt(mtime) * 1_000_000_000n + BigInt(rest);
}

/** True when it was made. */
function makeDirectory(target: string, info: FileInfo, overwrite: boolean): boolean {
  const there = lstatAt(target);
  if (there === undefined) {
    doing(`failed to mkdir ${displayName(target)}`, () => mkdirSync(fsPath(target), info.mode & 0o7777));
    return true;
  }
  if (!isDirectory(there)) {
    throw refusal(`cannot copy to non-directory: ${displayName(target)}`);
  }
  if (overwrite) {
    doing(`failed to chmod on ${displayName(target)}`, () => chmodSync(fsPath(target), info.mode & 0o7777));
  }
  return false;
}

/** Removes a file that is to be replaced. */
function makeRoom(target: string): void {
  const there = doing('failed to lstat file target', () => lstatAt(target));
  if (there === undefined) return;
  if (isDirectory(there)) {
    throw refusal(`cannot replace to directory ${displayName(target)} with file`);
  }
  unlinkSync(fsPath(target));
}
