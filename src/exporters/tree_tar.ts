/** The job of `type=tar`: files of snapshots as a tar, as fsutil's WriteTar with Go's archive/tar makes it. */
import { closeSync, openSync } from 'node:fs';
import { CairnError } from '../errors/error.ts';
import { ByteSender, type ByteChannel } from '../platform/byte_stream.ts';
import type { JobContext } from '../platform/contract.ts';
import { deviceNumbers } from '../platform/syscalls_files.ts';
import { readXattrs } from '../snapshots/apply/metadata.ts';
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  type FileInfo,
} from '../snapshots/changes/file_info.ts';
import { displayName, fsPath } from '../snapshots/names.ts';
import type { EntryType, TarEntry } from '../snapshots/tar/entry.ts';
import { TarWriter } from '../snapshots/tar/writer.ts';
import { isRegular, walkTree, type ExportFile, type ExportTree } from './tree_files.ts';

const TYPES: Partial<Record<number, EntryType>> = {
  [S_IFREG]: 'file',
  [S_IFDIR]: 'dir',
  [S_IFLNK]: 'symlink',
  [S_IFCHR]: 'char',
  [S_IFBLK]: 'block',
  [S_IFIFO]: 'fifo',
};
const HALF_SECOND_NS = 500_000_000;

export interface TreeTarArgs {
  trees: ExportTree[];
  channel: ByteChannel;
}

/** Sends the tar. */
export function treeTar({ trees, channel }: TreeTarArgs, context: JobContext): void {
  const writer = new TarWriter(new ByteSender(context, channel).send);
  for (const tree of trees) {
    walkTree(tree, context, (file) => {
      const entry = tarEntry(file);
      if (entry === undefined) return;
      writer.header(entry);
      if (entry.type === 'file' && entry.size > 0) copyContent(writer, file);
    });
  }
  writer.end();
}

function tarEntry({ path, source, info, linkname, hardLink }: ExportFile): TarEntry | undefined {
  const type = hardLink ? 'link' : TYPES[info.mode & S_IFMT];
  if (type === undefined) return undefined;
  // A further name of a device has the numbers too, as fsutil writes it.
  const device = isDevice(info) ? deviceNumbers(info.rdev) : { major: 0, minor: 0 };
  const xattrs = source === undefined ? undefined : readXattrs(source);
  return {
    type,
    name: path,
    linkname,
    mode: info.mode & 0o7777,
    uid: info.uid,
    gid: info.gid,
    size: type === 'file' ? info.size : 0,
    // Without a format of its own, Go's archive/tar rounds times to the nearest second.
    mtime: info.mtime + (info.mtimeNs >= HALF_SECOND_NS ? 1 : 0),
    mtimeNs: 0,
    devMajor: device.major,
    devMinor: device.minor,
    xattrs: xattrs === undefined || xattrs.size === 0 ? undefined : xattrs,
  };
}

function isDevice({ mode }: FileInfo): boolean {
  return (mode & S_IFMT) === S_IFCHR || (mode & S_IFMT) === S_IFBLK;
}

function copyContent(writer: TarWriter, { path, source, info }: ExportFile): void {
  if (source === undefined || !isRegular(info)) return;
  const fd = openSync(fsPath(source), 'r');
  try {
    if (writer.copy(fd, info.size, 0) !== info.size) {
      throw new CairnError(`${displayName(path)} became shorter while it was exported`, { code: 'CORRUPT' });
    }
    writer.pad(info.size);
  } finally {
    closeSync(fd);
  }
}
