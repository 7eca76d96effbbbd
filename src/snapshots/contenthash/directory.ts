/** A real directory, usually a mounted snapshot, as a tree to be hashed. Synchronous: it runs inside jobs. */
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, type StatsBase } from 'node:fs';
import type { Hash } from 'node:crypto';
import type { Digest } from '../../content/contract.ts';
import { CairnError } from '../../errors/error.ts';
import { toBinary, fsPath, displayName } from '../names.ts';
import { finish, hashHeader, type FileHeader } from './file_header.ts';
import { newNode, type TreeNode, type TreeReader } from './tree_index.ts';

/** Reads the extended attributes of a path without following a link; names as binary strings. */
export type XattrReader = (path: string | Buffer) => readonly (readonly [string, Uint8Array])[];

const READ_SIZE = 1 << 20;

export class DirectoryReader implements TreeReader {
  readonly #root: string;
  readonly #xattrs: XattrReader;
  readonly #signal: { readonly aborted: boolean } | undefined;

  /** @param root where the tree is mounted */
  constructor(root: string, xattrs: XattrReader, signal?: { readonly aborted: boolean }) {
    this.#root = toBinary(root);
    this.#xattrs = xattrs;
    this.#signal = signal;
  }

  *readDir(path: string): Iterable<readonly [string, TreeNode]> {
    const directory = this.#root + path;
    for (const entry of readdirSync(fsPath(directory), { encoding: 'latin1', withFileTypes: true })) {
      if (entry.isDirectory()) yield [entry.name, newNode('dir')];
      else if (entry.isSymbolicLink()) {
        yield [entry.name, newNode('symlink', readLink(`${directory}/${entry.name}`))];
      } else yield [entry.name, newNode('file')];
    }
  }

  digest(path: string, node: TreeNode): Digest {
    if (this.#signal?.aborted === true) throw new CairnError('canceled', { code: 'CANCELED' });
    const full = fsPath(this.#root + path);
    const stats = lstatSync(full);
    return hashFile(full, {
      type: typeOf(stats),
      mode: stats.mode,
      uid: stats.uid,
      gid: stats.gid,
      size: stats.size,
      link: node.link,
      // BuildKit's test for a device never holds on a mounted tree, so that device numbers stay out of the key.
      major: 0,
      minor: 0,
      xattrs: this.#xattrs(full),
    });
  }

  notDirectory(path: string): Error {
    return new CairnError(`lstat ${displayName(this.#root + path)}: not a directory`, { code: 'NOT_FOUND' });
  }
}

/** Target of a symlink as a binary string. */
export function readLink(path: string): string {
  return readlinkSync(fsPath(path), { encoding: 'latin1' });
}

/** Sockets count as empty files, as archive/tar has no type for them. */
export function typeOf(
  stats: Pick<
    StatsBase<bigint>,
    'isDirectory' | 'isSymbolicLink' | 'isFIFO' | 'isCharacterDevice' | 'isBlockDevice'
  >,
): FileHeader['type'] {
  if (stats.isDirectory()) return 'dir';
  if (stats.isSymbolicLink()) return 'symlink';
  if (stats.isFIFO()) return 'fifo';
  if (stats.isCharacterDevice()) return 'char';
  if (stats.isBlockDevice()) return 'block';
  return 'file';
}

/** Digest of a header and, for a regular file that is not empty, the content behind it. */
export function hashFile(path: string | Buffer, header: FileHeader): Digest {
  const hash = hashHeader(header);
  if (header.type === 'file' && header.size > 0) hashContent(path, header.size, hash);
  return finish(hash);
}

let buffer: Buffer | undefined;

function hashContent(path: string | Buffer, size: number, hash: Hash): void {
  buffer ??= Buffer.allocUnsafe(READ_SIZE);
  const file = openSync(path, 'r');
  try {
    for (;;) {
      const read = readSync(file, buffer, 0, buffer.length, null);
      hash.update(buffer.subarray(0, read));
      if (read === 0) return;
    }
  } finally {
    closeSync(file);
  }
}
