/** Walks the files of a snapshot for the exporters that write files. In worker threads only. */
import { CairnError } from '../errors/error.ts';
import type { JobContext } from '../platform/contract.ts';
import { join } from '../snapshots/changes/changes.ts';
import {
  isDirectory,
  lstat,
  readLink,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  sortedNames,
  type FileInfo,
} from '../snapshots/changes/file_info.ts';
import type { MountSpec } from '../snapshots/contract.ts';
import { withMount } from '../snapshots/mounts.ts';
import { toBinary } from '../snapshots/names.ts';

/** Files of one platform. */
export interface ExportTree {
  /** Undefined: no files. */
  spec: MountSpec | undefined;
  /** Directory that they go into, e.g. `linux_amd64`; empty: the top. */
  prefix: string;
  /** Platform, for messages. */
  name: string;
  /** Modification time of everything, Unix seconds; undefined: each file's own. */
  epoch: number | undefined;
}

/** Names are binary strings, see snapshots/names.ts. */
export interface ExportFile {
  /** Relative to the output. */
  path: string;
  /** Where it can be read; undefined for the directory of a platform. */
  source: string | undefined;
  info: FileInfo;
  /** Target of a symlink; of a further name of a file, the path of its first. Else empty. */
  linkname: string;
  hardLink: boolean;
}

/**
 * Calls `handle` for each file, directories before what is in them, in byte order. Sockets are left out: no
 * archive and no copy can carry one.
 */
export function walkTree(tree: ExportTree, context: JobContext, handle: (file: ExportFile) => void): void {
  if (tree.prefix !== '') handle(platformDirectory(tree));
  const { spec } = tree;
  if (spec === undefined) return;
  withMount(spec, (mounted) => {
    const root = toBinary(mounted);
    const firstNames = new Map<bigint, string>();
    const walk = (directory: string): void => {
      for (const name of sortedNames(join(root, directory))) {
        if (context.signal.aborted) throw new CairnError('canceled', { code: 'CANCELED' });
        const path = join(directory, name);
        const info = lstat(join(root, path));
        if (info === undefined || (info.mode & S_IFMT) === S_IFSOCK) continue;
        handle(describe(tree, root, path, withEpoch(info, tree.epoch), firstNames));
        if (isDirectory(info)) walk(path);
      }
    };
    walk('');
  });
}

function describe(
  { prefix }: ExportTree,
  root: string,
  path: string,
  info: FileInfo,
  firstNames: Map<bigint, string>,
): ExportFile {
  const file: ExportFile = {
    path: join(prefix, path),
    source: join(root, path),
    info,
    linkname: '',
    hardLink: false,
  };
  if (isDirectory(info)) return file;
  if ((info.mode & S_IFMT) === S_IFLNK) {
    const target = readLink(join(root, path));
    // An absolute link of a platform that got a directory of its own points into that directory.
    file.linkname = prefix !== '' && target.startsWith('/') ? `/${prefix}${target}` : target;
    return file;
  }
  if (info.nlink > 1) {
    const first = firstNames.get(info.ino);
    if (first === undefined) firstNames.set(info.ino, file.path);
    else {
      file.linkname = first;
      file.hardLink = true;
    }
  }
  return file;
}

function withEpoch(info: FileInfo, epoch: number | undefined): FileInfo {
  return epoch === undefined ? info : { ...info, mtime: epoch, mtimeNs: 0 };
}

function platformDirectory(tree: ExportTree): ExportFile {
  const info: FileInfo = {
    mode: 0o040755,
    uid: 0,
    gid: 0,
    size: 0,
    allocated: 0,
    mtime: tree.epoch ?? 0,
    mtimeNs: 0,
    nlink: 1,
    ino: 0n,
    dev: 0n,
    rdev: 0n,
  };
  return { path: tree.prefix, source: undefined, info, linkname: '', hardLink: false };
}

export function isRegular(info: FileInfo): boolean {
  return (info.mode & S_IFMT) === S_IFREG;
}
