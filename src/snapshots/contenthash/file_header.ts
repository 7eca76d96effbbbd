/**
 * The digest of one file: its tar header in the "tarsum v1" form, then its content. Format of BuildKit v0.32.2,
 * cache/contenthash (filehash.go, tarsum.go).
 */
import { createHash, type Hash } from 'node:crypto';
import type { Digest } from '../../content/contract.ts';

export interface FileHeader {
  type: 'file' | 'dir' | 'symlink' | 'fifo' | 'char' | 'block';
  /** Permission bits with setuid, setgid and sticky; the type bits of st_mode are ignored. */
  mode: number;
  uid: number;
  gid: number;
  /** In bytes; counts for regular files only. */
  size: number;
  /** Target of a symlink, as a binary string. */
  link: string;
  /** Device numbers, where the tree's kind records them at all. */
  major: number;
  minor: number;
  /** Names as binary strings. */
  xattrs: readonly (readonly [string, Uint8Array])[];
}

const TYPE_FLAGS = { file: '0', dir: '5', symlink: '2', fifo: '6', char: '3', block: '4' };

const PERMISSIONS = 0o7777;
const SYMLINK_PERMISSIONS = 0o777;

/** A hash that has taken the header in; a regular file's content follows. */
export function hashHeader(header: FileHeader): Hash {
  const mode = header.mode & PERMISSIONS;
  const fields =
    `namemode${header.type === 'symlink' ? mode | SYMLINK_PERMISSIONS : mode}` +
    `uid${header.uid}gid${header.gid}size${header.type === 'file' ? header.size : 0}` +
    `typeflag${TYPE_FLAGS[header.type]}linkname${header.link}unamegname` +
    `devmajor${header.major}devminor${header.minor}`;
  const hash = createHash('sha256').update(fields, 'latin1');
  const xattrs = header.xattrs.filter(([name]) => counts(name));
  for (const [name, value] of xattrs.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(name, 'latin1').update(value);
  }
  return hash;
}

/** Whether an extended attribute is part of the digest. */
function counts(name: string): boolean {
  return name === 'security.capability' || !(name.startsWith('security.') || name.startsWith('system.'));
}

/** The digest of a hash that is complete. */
export function finish(hash: Hash): Digest {
  return `sha256:${hash.digest('hex')}`;
}
