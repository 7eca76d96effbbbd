/** Reads and hashes files of a client's directory. Synchronous; loads the system calls. */
import { lstatSync } from 'node:fs';
import type { Digest } from '../../content/contract.ts';
import { CairnError } from '../../errors/error.ts';
import { deviceNumbers } from '../../platform/syscalls_files.ts';
import { toBinary, fsPath, displayName } from '../names.ts';
import { hashFile, readLink, typeOf } from './directory.ts';
import { isGone } from './host_filter.ts';
import { isSettled, stampOf, type FileStamp } from './host_memory.ts';
import { readXattrs } from './xattrs.ts';

export interface HashedFile {
  path: string;
  digest: Digest;
  /** Absent: changed a moment ago, so that the digest holds for this build only. */
  stamp?: FileStamp;
}

/** Not sent by BuildKit's clients, as they mean something on one kind of machine only. */
const APPLE_XATTRS = 'com.apple.';

/**
 * Digests as BuildKit gets them for a local source: owner 0:0, device numbers kept.
 * @param root of the tree, text; `paths` below it as binary strings with a slash in front
 * @throws CairnError NOT_FOUND when a file went away since the tree was walked, DENIED; CANCELED
 */
export function hashHostFiles(
  root: string,
  paths: readonly string[],
  signal?: { readonly aborted: boolean },
): HashedFile[] {
  const prefix = toBinary(root);
  return paths.map((path) => {
    if (signal?.aborted === true) throw new CairnError('canceled', { code: 'CANCELED' });
    try {
      return hashHostFile(prefix, path);
    } catch (error) {
      throw explain(error, displayName(path.slice(1)));
    }
  });
}

function hashHostFile(root: string, path: string): HashedFile {
  const full = fsPath(root + path);
  const now = BigInt(Date.now()) * 1_000_000n;
  const stats = lstatSync(full, { bigint: true });
  const type = typeOf(stats);
  const device = type === 'char' || type === 'block' ? deviceNumbers(stats.rdev) : { major: 0, minor: 0 };
  const digest = hashFile(full, {
    type,
    mode: Number(stats.mode),
    uid: 0,
    gid: 0,
    size: Number(stats.size),
    link: type === 'symlink' ? readLink(root + path) : '',
    major: device.major,
    minor: device.minor,
    xattrs: readXattrs(full).filter(([name]) => !name.startsWith(APPLE_XATTRS)),
  });
  const stamp = stampOf(stats);
  const after = stampOf(lstatSync(full, { bigint: true }));
  const unchanged = stamp.every((value, i) => value === after[i]) && isSettled(stamp, now);
  return unchanged ? { path, digest, stamp } : { path, digest };
}

function explain(error: unknown, path: string): unknown {
  if (isGone(error)) {
    return new CairnError(`${path} went away while it was read`, {
      code: 'NOT_FOUND',
      hint: 'Something changes the build context while it is built; build again when it is quiet.',
      cause: error,
    });
  }
  if ((error as NodeJS.ErrnoException).code === 'EACCES') {
    return new CairnError(`error from sender: open ${path}: permission denied`, {
      code: 'DENIED',
      hint: 'Make the file readable, or leave it out with a .dockerignore file.',
      cause: error,
    });
  }
  return error;
}
