/** A tar entry, and the numbers of the format (POSIX pax(1), "ustar Interchange Format"; GNU tar's manual). */

export type EntryType = 'file' | 'dir' | 'symlink' | 'link' | 'char' | 'block' | 'fifo';

/** Names are binary strings (see names.ts). */
export interface TarEntry {
  type: EntryType;
  /** Directories have no final slash. */
  name: string;
  /** Target of a symlink, literally; of a hard link, the name of an earlier entry. Else empty. */
  linkname: string;
  /** Permission bits with setuid, setgid and sticky. */
  mode: number;
  uid: number;
  gid: number;
  /** Bytes of a file's content, holes included; 0 for every other type. */
  size: number;
  /** Seconds since 1970, rounded down. */
  mtime: number;
  /** Nanoseconds above `mtime`. */
  mtimeNs: number;
  devMajor: number;
  devMinor: number;
  /** By attribute name, e.g. `security.capability`. */
  xattrs: ReadonlyMap<string, Uint8Array> | undefined;
}

export const BLOCK = 512;
export const TYPE_FLAGS: Record<EntryType, string> = {
  file: '0',
  link: '1',
  symlink: '2',
  char: '3',
  block: '4',
  dir: '5',
  fifo: '6',
};

/** Prefix of the pax records that carry extended attributes (star's, used by Go's archive/tar). */
export const XATTR_RECORD = 'SCHILY.xattr.';

/** Longest pax header or GNU long name that is read or written, in bytes (Go's archive/tar has the same). */
export const MAX_SPECIAL_BYTES = 1 << 20;

/** OCI image-spec layer.md, "Whiteouts". */
export const WHITEOUT_PREFIX = '.wh.';
export const WHITEOUT_OPAQUE = '.wh..wh..opq';

/** The bytes are not a valid tar. Becomes a CairnError that names the entry in TarReader. */
export class TarFormatError extends Error {}
