/** The content of a file on its way into a tar. */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { CairnError } from '../../errors/error.ts';
import { seekData, seekHole } from '../../platform/syscalls_files.ts';
import { displayName, fsPath } from '../names.ts';
import type { TarWriter } from '../tar/writer.ts';
import { fileInfo, type FileInfo } from './file_info.ts';

/** Smaller files are read whole, holes or not. */
const SPARSE_MIN_BYTES = 64 * 1024;
// A fifo that took the file's place must not stop the thread.
const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

/** Writes an open file's content, padded. Holes are not read. @throws CairnError SOLVE when it became shorter */
export function copyContent(writer: TarWriter, fd: number, name: string, info: FileInfo): void {
  const sparse = info.size > SPARSE_MIN_BYTES && info.allocated < info.size;
  const copied = sparse ? copySparse(writer, fd, info.size) : writer.copy(fd, info.size, 0);
  if (copied !== info.size) {
    throw new CairnError(`${displayName(name)} became shorter while its layer was written`, {
      code: 'SOLVE',
    });
  }
  writer.pad(info.size);
}

/**
 * As {@link copyContent}, of a file that was looked at before.
 * @param info what lstat(2) said then
 * @throws CairnError SOLVE when it is another file by now, or was written to
 */
export function copyUnchanged(writer: TarWriter, path: string, info: FileInfo): void {
  const fd = openSync(fsPath(path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    copyContent(writer, fd, path, info);
    const now = fileInfo(fstatSync(fd, { bigint: true }));
    const same =
      now.ino === info.ino &&
      now.size === info.size &&
      now.mtime === info.mtime &&
      now.mtimeNs === info.mtimeNs;
    if (same) return;
  } finally {
    closeSync(fd);
  }
  throw new CairnError(`${displayName(path)} changed while it was copied`, {
    code: 'SOLVE',
    hint: 'Build again; files that change all the time belong into .dockerignore.',
  });
}

function copySparse(writer: TarWriter, fd: number, size: number): number {
  let at = 0;
  while (at < size) {
    const data = Math.min(seekData(fd, at) ?? size, size);
    writer.zeros(data - at);
    at = data;
    if (at === size) break;
    const hole = Math.min(seekHole(fd, at), size);
    const copied = writer.copy(fd, hole - at, at);
    at += copied;
    if (copied === 0) break;
  }
  return at;
}
