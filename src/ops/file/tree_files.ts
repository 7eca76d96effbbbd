/**
 * The files that file actions read, with every symlink resolved inside the tree. Paths are binary strings: empty
 * for the root, else `/a/b`.
 */
import { lstatSync, readdirSync, type BigIntStats } from 'node:fs';
import { CairnError } from '../../errors/error.ts';
import {
  fileInfo,
  readLink,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  type FileInfo,
} from '../../snapshots/changes/file_info.ts';
import { walkHost } from '../../snapshots/contenthash/host_walk.ts';
import type { TreeNode } from '../../snapshots/contenthash/tree_index.ts';
import type { HostTree } from '../../snapshots/contract.ts';
import { fsPath, toBinary } from '../../snapshots/names.ts';
import { join } from '../../snapshots/patterns/go_path.ts';

export interface TreeFiles {
  /** Where the tree's root is. */
  readonly root: string;
  /** Undefined: not there. @throws ENOTDIR for a path through a file */
  lstat(path: string): FileInfo | undefined;
  /** Target of a symlink, literally. */
  readlink(path: string): string;
  /** In byte order. */
  names(path: string): string[];
  /** Whether a client sent these files: attributes of Apple's systems are left out then. */
  readonly fromClient: boolean;
}

/** A mounted snapshot. */
export class MountedFiles implements TreeFiles {
  readonly root: string;
  readonly fromClient = false;

  /** A binary string. */
  constructor(root: string) {
    this.root = root;
  }

  lstat(path: string): FileInfo | undefined {
    return lstatAt(this.root + path);
  }

  readlink(path: string): string {
    return readLink(this.root + path);
  }

  names(path: string): string[] {
    return namesAt(this.root + path);
  }
}

const HOST_ROOT_MODE = 0o40755;

/** A client's directory seen through its source's patterns; owners are 0:0 and sockets are empty files. */
export class HostFiles implements TreeFiles {
  readonly root: string;
  readonly fromClient = true;
  readonly #tree: TreeNode;
  readonly #received = now();

  constructor(tree: HostTree) {
    this.root = toBinary(tree.root);
    this.#tree = walkHost(tree);
  }

  lstat(path: string): FileInfo | undefined {
    if (this.#node(path) === undefined) return undefined;
    const info = lstatAt(this.root + path);
    if (info === undefined) return undefined;
    const own = { ...info, uid: 0, gid: 0 };
    // The root itself is not sent: its owner, mode and time are the receiver's.
    if (path === '') return { ...own, mode: HOST_ROOT_MODE, ...this.#received };
    if ((info.mode & S_IFMT) !== S_IFSOCK) return own;
    return { ...own, size: 0, mode: S_IFREG | (info.mode & 0o7777) };
  }

  readlink(path: string): string {
    return readLink(this.root + path);
  }

  names(path: string): string[] {
    const children = this.#node(path)?.children;
    return children === undefined ? namesAt(this.root + path) : [...children.keys()];
  }

  #node(path: string): TreeNode | undefined {
    let node: TreeNode | undefined = this.#tree;
    for (const name of path.split('/').slice(1)) {
      // What goes through a file gets the kernel's own answer.
      if (node.kind !== 'dir') return node;
      node = node.children?.get(name);
      if (node === undefined) return undefined;
    }
    return node;
  }
}

/** Nothing at all: scratch. */
export const NO_FILES: TreeFiles = {
  root: '/var/empty/scratch',
  fromClient: false,
  lstat: () => undefined,
  readlink: () => '',
  names: () => [],
};

function now(): Pick<FileInfo, 'mtime' | 'mtimeNs'> {
  const milliseconds = Date.now();
  return { mtime: Math.floor(milliseconds / 1000), mtimeNs: (milliseconds % 1000) * 1_000_000 };
}

export function lstatAt(full: string): FileInfo | undefined {
  const stats: BigIntStats | undefined = lstatSync(fsPath(full === '' ? '/' : full), {
    bigint: true,
    throwIfNoEntry: false,
  });
  return stats === undefined ? undefined : fileInfo(stats);
}

function namesAt(full: string): string[] {
  return readdirSync(fsPath(full), { encoding: 'latin1' }).sort();
}

export function isLink(info: FileInfo | undefined): boolean {
  return info !== undefined && (info.mode & S_IFMT) === S_IFLNK;
}

/** As many links as BuildKit follows for one path. */
const MAX_LINKS = 255;

/**
 * A path with all symlinks resolved, as if the tree's root were the root of the machine; what is not there stays
 * as it is named. (containerd/continuity fs.RootPath)
 * @throws CairnError SOLVE `too many links`
 */
export function rootPath(files: TreeFiles, path: string): string {
  let current = '';
  let links = 0;
  let rest = join('/', path).slice(1).split('/');
  while (rest.length > 0) {
    const [part = '', ...after] = rest;
    rest = after;
    const joined = join('/', current, part);
    const next = joined === '/' ? '' : joined;
    if (next === current || part === '..') {
      current = next;
      continue;
    }
    if (!isLink(files.lstat(next))) {
      current = next;
      continue;
    }
    if (++links > MAX_LINKS) throw new CairnError('too many links', { code: 'SOLVE' });
    const target = files.readlink(next);
    if (target.startsWith('/')) current = '';
    rest = [...target.split('/'), ...rest];
  }
  return current;
}

/** As {@link rootPath}, but the last element stays what it is unless `followLast` is set. */
export function rootPathOf(files: TreeFiles, path: string, followLast: boolean): string {
  const cleaned = join('/', path);
  if (cleaned === '/') return '';
  if (followLast) return rootPath(files, cleaned);
  const slash = cleaned.lastIndexOf('/');
  return `${rootPath(files, cleaned.slice(0, slash + 1))}/${cleaned.slice(slash + 1)}`;
}
