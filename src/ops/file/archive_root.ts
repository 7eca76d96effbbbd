/**
 * The directory that an archive is unpacked into, seen as by a process whose root it is: `..` at the top stays there,
 * absolute links begin there, and nothing outside of it has a name. Names are binary strings relative to it, cleaned;
 * the empty one is the directory itself.
 */
import { isDirectory } from '../../snapshots/changes/file_info.ts';
import { baseOf, parentOf } from '../../snapshots/names.ts';
import { join } from '../../snapshots/patterns/go_path.ts';
import { DiskTarget } from './disk_target.ts';
import { systemFailure } from './failure.ts';
import { makeDirectories } from './target.ts';
import { isLink, lstatAt } from './tree_files.ts';

const IMPLIED_MODE = 0o755;

/** As the kernel's MAXSYMLINKS, over one whole name. */
const MAX_LINKS = 40;

const ENOENT = 2;
const EEXIST = 17;
const ENOTDIR = 20;
const ELOOP = 40;

export class ArchiveRoot {
  readonly #root: string;

  /** Full path, symlinks resolved. */
  constructor(root: string) {
    this.#root = root;
  }

  /** `..` and `.` are taken out of the name before any link is looked at, as moby's go-archive does. */
  named(name: string): string {
    return join('/', name).slice(1);
  }

  /**
   * Full path of what is or will be there; directories of the name that are missing are made.
   * @throws ENOTDIR, ELOOP; ENOENT or EEXIST where a link in place of a directory leads nowhere
   */
  place(name: string): string {
    const parent = parentOf(name);
    let at = '';
    for (const part of parent === '' ? [] : parent.split('/')) {
      const path = join(at, part);
      const info = lstatAt(this.#full(path));
      if (info === undefined) {
        makeDirectories(new DiskTarget(this.#root), `/${path}`, IMPLIED_MODE, { uid: 0, gid: 0 }, undefined);
        at = path;
      } else if (isLink(info)) {
        const behind = this.#behind(at, part);
        if (behind === undefined && path === parent) this.#refuse('ENOENT', ENOENT, 'open', name);
        at = behind ?? this.#refuse('EEXIST', EEXIST, 'mkdir', path);
      } else if (isDirectory(info)) at = path;
      else this.#refuse('ENOTDIR', ENOTDIR, 'open', name);
    }
    return this.#full(join(at, baseOf(name)));
  }

  /** Full path of what is there, links on the way resolved. @throws ENOENT, ENOTDIR, ELOOP */
  find(name: string, syscall: string): string {
    return this.#full(join(this.#directory(parentOf(name), syscall), baseOf(name)));
  }

  /** As {@link find}, with the name itself resolved too when it is a link. */
  follow(name: string, syscall: string): string {
    return this.#full(this.#directory(name, syscall));
  }

  #directory(name: string, syscall: string): string {
    return this.#behind('', name) ?? this.#refuse('ENOENT', ENOENT, syscall, name);
  }

  /** What a path leads to from a directory, with all links resolved; undefined: nothing. */
  #behind(from: string, path: string): string | undefined {
    let at = from;
    let links = 0;
    let rest = partsOf(path);
    for (;;) {
      const [part, ...after] = rest;
      if (part === undefined) return at;
      rest = after;
      if (part === '..') {
        at = parentOf(at);
        continue;
      }
      const next = join(at, part);
      const info = lstatAt(this.#full(next));
      if (info === undefined) return undefined;
      if (!isLink(info)) {
        at = next;
        continue;
      }
      if (++links > MAX_LINKS) this.#refuse('ELOOP', ELOOP, 'open', path);
      const target = new DiskTarget(this.#root).readlink(`/${next}`);
      if (target.startsWith('/')) at = '';
      rest = [...partsOf(target), ...rest];
    }
  }

  #full(name: string): string {
    return name === '' ? this.#root : `${this.#root}/${name}`;
  }

  #refuse(code: string, errno: number, syscall: string, name: string): never {
    throw systemFailure(code, errno, syscall, `/${name}`);
  }
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}
