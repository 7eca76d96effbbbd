/** Archives that ADD unpacks: which files count as one, and how they are unpacked (github.com/moby/go-archive). */
import { closeSync, openSync, readSync } from 'node:fs';
import { decompress } from '../../content/compression/decompress.ts';
import { decompressor, PROGRAM_MAGIC_BYTES, throughProgram } from '../../content/compression/programs.ts';
import { CairnError } from '../../errors/error.ts';
import { S_IFMT, S_IFREG } from '../../snapshots/changes/file_info.ts';
import { fsPath } from '../../snapshots/names.ts';
import type { TarEntry } from '../../snapshots/tar/entry.ts';
import { TarReader, type TarHandler } from '../../snapshots/tar/reader.ts';
import { ArchiveTarget } from './archive_target.ts';
import type { Owner } from './owner.ts';
import { makeDirectories, type TargetFiles, type Timestamp } from './target.ts';
import { rootPath, type TreeFiles } from './tree_files.ts';

const ARCHIVE_DIRECTORY_MODE = 0o755;

const READ_BYTES = 1 << 20;

interface UnpackRequest {
  source: TreeFiles;
  path: string;
  target: TargetFiles;
  targetPath: string;
  owner: Owner | undefined;
  time: Timestamp;
  signal: { readonly aborted: boolean };
}

/**
 * Unpacks a file into a directory when it is a tar, compressed with gzip, bzip2, xz or zstd or not at all. False:
 * it is none, and nothing was done.
 * @throws CairnError CORRUPT for a damaged archive or one whose entries lead out of the directory
 */
export async function unpack(request: UnpackRequest): Promise<boolean> {
  const path = rootPath(request.source, request.path);
  const info = request.source.lstat(path);
  if (info === undefined || (info.mode & S_IFMT) !== S_IFREG || info.size === 0) return false;
  const full = request.source.root + path;
  if (!(await startsWithEntry(full))) return false;
  const directory = rootPath(request.target, request.targetPath);
  makeDirectories(request.target, directory, ARCHIVE_DIRECTORY_MODE, request.owner, request.time);
  const target = new ArchiveTarget(request.target.directory(directory), request.owner);
  try {
    const reader = new TarReader(target);
    for await (const chunk of uncompressed(full)) {
      if (request.signal.aborted) throw new CairnError('canceled', { code: 'CANCELED' });
      reader.write(chunk);
    }
    reader.end();
    target.finish();
  } finally {
    target.abandon();
  }
  return true;
}

/** The probe's way out once an entry has been read. */
class Found extends Error {}

/** Whether a first header can be read; whatever cannot is copied as it is. */
async function startsWithEntry(path: string): Promise<boolean> {
  const probe: TarHandler = {
    entry: (_entry: TarEntry) => {
      throw new Found();
    },
    data: () => {},
    close: () => {},
  };
  const reader = new TarReader(probe);
  try {
    for await (const chunk of uncompressed(path)) reader.write(chunk);
    return false;
  } catch (error) {
    if (error instanceof Found) return true;
    if (error instanceof CairnError && error.code === 'UNSUPPORTED') throw error;
    return false;
  }
}

async function* uncompressed(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  // Opened here: only synchronous calls see the files of a mount that this thread made.
  const fd = openSync(fsPath(path), 'r');
  try {
    const start = Buffer.alloc(PROGRAM_MAGIC_BYTES);
    const length = readSync(fd, start, 0, start.length, 0);
    const program = decompressor(start.subarray(0, length));
    yield* program === undefined ? decompress(bytesOf(fd)) : throughProgram(program, fd);
  } finally {
    closeSync(fd);
  }
}

async function* bytesOf(fd: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; ;) {
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    const read = readSync(fd, buffer, 0, buffer.length, at);
    if (read === 0) return;
    at += read;
    yield buffer.subarray(0, read);
  }
}
