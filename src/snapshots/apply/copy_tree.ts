/** Copies whole trees, for file systems where overlay mounts are impossible. */
import { chmodSync, linkSync, mkdirSync } from 'node:fs';
import { join } from '../changes/changes.ts';
import {
  isDirectory,
  lstat,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  sortedNames,
  type FileInfo,
} from '../changes/file_info.ts';
import { fsPath } from '../names.ts';
import { copyFile } from './copy_file.ts';
import { copyDirectoryMetadata, setTime } from './metadata.ts';

/**
 * Copies the tree at `from` into the existing directory `to`, metadata of the root included. Hard links inside
 * the tree stay links. With `link`, files are hard links to the originals: only for trees that nobody writes
 * into, where files are replaced and never changed.
 */
export function copyTree(from: string, to: string, options: { link: boolean; onFile?: () => void }): void {
  const names = new Map<bigint, string>();
  const copy = (source: string, info: FileInfo, target: string): void => {
    options.onFile?.();
    const type = info.mode & S_IFMT;
    if (type === S_IFSOCK) return;
    if (options.link && type === S_IFREG) {
      linkSync(fsPath(source), fsPath(target));
      return;
    }
    const first = info.nlink > 1 ? names.get(info.ino) : undefined;
    if (first !== undefined) {
      linkSync(fsPath(first), fsPath(target));
      return;
    }
    copyFile(source, info, target);
    if (info.nlink > 1) names.set(info.ino, target);
  };
  const walk = (source: string, info: FileInfo, target: string): void => {
    copyDirectoryMetadata(source, info, target);
    // Writable while it is filled.
    chmodSync(fsPath(target), (info.mode & 0o7777) | 0o700);
    for (const name of sortedNames(source)) {
      const [child, copyOfChild] = [join(source, name), join(target, name)];
      const childInfo = lstat(child);
      if (childInfo === undefined) continue;
      if (isDirectory(childInfo)) {
        mkdirSync(fsPath(copyOfChild), 0o700);
        walk(child, childInfo, copyOfChild);
      } else {
        copy(child, childInfo, copyOfChild);
      }
    }
    chmodSync(fsPath(target), info.mode & 0o7777);
    setTime(target, info);
  };
  const root = lstat(from);
  if (root !== undefined && isDirectory(root)) walk(from, root, to);
}

/** Bytes on disk of everything below a directory; a file with several links counts once. */
export function diskUsage(path: string): number {
  const seen = new Set<bigint>();
  let total = 0;
  const walk = (at: string): void => {
    const info = lstat(at);
    if (info === undefined) return;
    if (info.nlink > 1 && !isDirectory(info)) {
      if (seen.has(info.ino)) return;
      seen.add(info.ino);
    }
    total += info.allocated;
    if (isDirectory(info)) for (const name of sortedNames(at)) walk(join(at, name));
  };
  walk(path);
  return total;
}
