/** Archives that ADD unpacks: which files count as one, and how they are unpacked (github.com/moby/go-archive). */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readSync } from 'node:fs';
import { decompress } from '../../content/compression/decompress.ts';
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

/** Of a decompressing program's messages. */
const MAX_STDERR_BYTES = 4096;

const READ_BYTES = 1 << 20;
const MAGIC_BYTES = 6;

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
    const start = Buffer.alloc(MAGIC_BYTES);
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

/** The formats that Node cannot read. */
function decompressor(start: Buffer): 'bzip2' | 'xz' | undefined {
  if (start.subarray(0, 3).toString('latin1') === 'BZh') return 'bzip2';
  if (start.subarray(0, 6).equals(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]))) return 'xz';
  return undefined;
}

/** Runs `bzip2` or `xz` on an open file; its process ends with the reader. */
async function* throughProgram(
  program: 'bzip2' | 'xz',
  fd: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  // By name under /proc, so that the program reads from the start whatever has been read here.
  const input = openSync(`/proc/self/fd/${fd}`, 'r');
  const child = spawn(program, ['-d', '-c', '-q'], { stdio: [input, 'pipe', 'pipe'] });
  closeSync(input);
  let messages = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    messages = (messages + text).slice(0, MAX_STDERR_BYTES);
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  ended.catch(() => {});
  try {
    yield* child.stdout as AsyncIterable<Uint8Array>;
    if ((await ended) === 0) return;
    throw new CairnError(`${program} cannot read the archive: ${messages.trim()}`, { code: 'CORRUPT' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new CairnError(`the archive is compressed with ${program}, which is not installed`, {
      code: 'UNSUPPORTED',
      hint: `Install ${program}, or compress the archive with gzip or zstd.`,
      cause: error,
    });
  } finally {
    child.kill('SIGKILL');
  }
}
