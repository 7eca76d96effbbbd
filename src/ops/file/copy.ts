/**
 * Copies files and directories from one tree to another as `cp -a` would: the rules of
 * github.com/tonistiigi/fsutil/copy as BuildKit v0.32.2 uses it.
 */
import { CairnError } from '../../errors/error.ts';
import {
  isDirectory,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  type FileInfo,
} from '../../snapshots/changes/file_info.ts';
import { displayName } from '../../snapshots/names.ts';
import {
  optionalMatcher,
  type PatternMatcher,
  type MatchInfo,
} from '../../snapshots/patterns/pattern_matcher.ts';
import { doing, refusal } from './failure.ts';
import type { ModeChange } from './mode.ts';
import type { Owner } from './owner.ts';
import type { Metadata, SourceFile, TargetFiles, Timestamp } from './target.ts';
import type { TreeFiles } from './tree_files.ts';

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
  readonly #target: TargetFiles;
  readonly #options: CopyOptions;
  readonly #include: PatternMatcher | undefined;
  readonly #exclude: PatternMatcher | undefined;
  readonly #links = new Map<string, string>();
  readonly #parents: Parent[] = [];
  /** Files that are made in a directory change its time, and some are made late. */
  readonly #directoryTimes: (() => void)[] = [];

  /** @throws CairnError USAGE for malformed patterns */
  constructor(files: TreeFiles, target: TargetFiles, options: CopyOptions) {
    this.#files = files;
    this.#target = target;
    this.#options = options;
    this.#include = optionalMatcher('includepatterns', options.includePatterns);
    this.#exclude = optionalMatcher('excludepatterns', options.excludePatterns);
  }

  /**
   * @param source path in the source tree
   * @param target path in the target whose symlinks have been resolved
   */
  copy(source: string, target: string): void {
    this.#copy(source, '', target, false, { include: undefined, exclude: undefined }, false);
    this.#target.settle();
    for (const setTime of this.#directoryTimes.splice(0)) setTime();
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
    const there = fresh
      ? undefined
      : doing(`failed to stat ${shown(target)}`, () => this.#target.lstat(target));
    if (verdict.included) {
      this.#replace(target, isDir, there);
      this.#makeParents(overwrite);
    }
    if (!isDir) {
      if (!fresh) this.#makeRoom(target);
      this.#file(source, info, target, fresh);
      return;
    }
    const created = this.#directory(source, relative, target, info, overwrite, verdict, fresh);
    const into = this.#into(fresh);
    // A directory that was there keeps its owner and mode, and gets the source's time.
    if (overwrite ? verdict.included : created) this.#metadata(source, info, into, target);
    else if (!overwrite && there !== undefined) this.#setDirectoryTime(into, target, this.#time(info));
  }

  #into(fresh: boolean): TargetFiles {
    return fresh ? this.#target.fresh : this.#target;
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
    this.#target.removeAll(target);
  }

  /** Makes the directories above that no pattern selected by themselves. */
  #makeParents(overwrite: boolean): void {
    for (const parent of this.#parents) {
      if (parent.copied) continue;
      parent.copied = true;
      const info = this.#files.lstat(parent.source);
      if (info === undefined) continue;
      if (!makeDirectory(this.#target, parent.target, info, overwrite)) continue;
      this.#metadata(parent.source, info, this.#target, parent.target);
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
    const created = verdict.included && makeDirectory(this.#into(fresh), target, info, overwrite);
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
    const into = this.#into(fresh);
    switch (info.mode & S_IFMT) {
      case S_IFREG: {
        const link = this.#linkTo(info, target);
        if (link === undefined && info.size > 0) {
          into.regular(target, this.#source(source, info), this.#metadataOf(info));
          return;
        }
        if (link !== undefined) doing('failed to create hard link', () => into.link(link, target));
        else doing('failed to copy files', () => into.empty(target));
        break;
      }
      case S_IFLNK: {
        const link = doing(`failed to read link: ${displayName(source)}`, () => this.#files.readlink(source));
        doing(`failed to create symlink: ${shown(target)}`, () => into.symlink(link, target));
        break;
      }
      default: {
        // BuildKit takes the bits of a socket off the mode of every special file: of a socket an empty file is
        // kept, and a block device becomes a character device.
        const mode =
          (info.mode & S_IFMT) === S_IFSOCK ? (info.mode & 0o7777) | S_IFREG : info.mode & ~S_IFSOCK;
        doing('failed to create device', () => into.special(target, mode, info.rdev));
      }
    }
    this.#metadata(source, info, into, target);
  }

  /** Where the first name of a file with several was copied to. */
  #linkTo(info: FileInfo, target: string): string | undefined {
    if (info.nlink < 2) return undefined;
    const key = `${info.dev}:${info.ino}`;
    const first = this.#links.get(key);
    if (first === undefined) this.#links.set(key, target);
    return first;
  }

  #metadata(source: string, info: FileInfo, into: TargetFiles, target: string): void {
    const metadata = this.#metadataOf(info);
    doing('failed to copy file info', () => {
      into.setOwner(target, metadata);
      if ((info.mode & S_IFMT) !== S_IFLNK) into.setMode(target, metadata.mode);
      if (isDirectory(info)) this.#setDirectoryTime(into, target, metadata.time);
      else into.setTime(target, metadata.time);
    });
    into.copyXattrs(this.#source(source, info), target);
  }

  #setDirectoryTime(into: TargetFiles, target: string, time: bigint): void {
    this.#directoryTimes.push(() => doing('failed to copy file info', () => into.setTime(target, time)));
  }

  #metadataOf(info: FileInfo): Metadata {
    const { owner, mode } = this.#options;
    const bits = info.mode & 0o7777;
    return {
      uid: owner === undefined ? info.uid : owner.uid,
      gid: owner === undefined ? info.gid : owner.gid,
      mode: mode === undefined ? bits : mode(bits, isDirectory(info)),
      time: this.#time(info),
    };
  }

  #time(info: FileInfo): bigint {
    return this.#options.time ?? mtimeNs(info);
  }

  #source(source: string, info: FileInfo): SourceFile {
    return { path: this.#files.root + source, info, fromClient: this.#files.fromClient };
  }

  /** Removes a file that is to be replaced. */
  #makeRoom(target: string): void {
    const there = doing('failed to lstat file target', () => this.#target.lstat(target));
    if (there === undefined) return;
    if (isDirectory(there)) throw refusal(`cannot replace to directory ${shown(target)} with file`);
    this.#target.unlink(target);
  }
}

function mtimeNs({ mtime, mtimeNs: rest }: FileInfo): bigint {
  return BigInt(mtime) * 1_000_000_000n + BigInt(rest);
}

/** True when it was made. */
function makeDirectory(into: TargetFiles, target: string, info: FileInfo, overwrite: boolean): boolean {
  const there = into.lstat(target);
  if (there === undefined) {
    doing(`failed to mkdir ${shown(target)}`, () => into.mkdir(target, info.mode & 0o7777));
    return true;
  }
  if (!isDirectory(there)) throw refusal(`cannot copy to non-directory: ${shown(target)}`);
  if (overwrite) {
    doing(`failed to chmod on ${shown(target)}`, () => into.setMode(target, info.mode & 0o7777));
  }
  return false;
}

/** The root's path is empty. */
function shown(path: string): string {
  return path === '' ? '/' : displayName(path);
}
