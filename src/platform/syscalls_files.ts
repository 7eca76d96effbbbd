/**
 * System calls on files that Node lacks. Synchronous, microseconds each; they act in the calling thread's
 * mount namespace. Errors have the shape of Node's fs errors. Paths are text or raw bytes ({@link Path}).
 */
import { bind, callNumber, checked, cString, errno, systemError, type Path } from './libc.ts';

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const ENODATA = 61;
const EOPNOTSUPP = 95;
const ERANGE = 34;
const ENXIO = 6;
/** Of xattr values and name lists (the kernel's XATTR_SIZE_MAX). */
const MAX_XATTR_BYTES = 65_536;

const native = {
  lgetxattr: bind('long lgetxattr(str, str, void *, size_t)'),
  fgetxattr: bind('long fgetxattr(int, str, void *, size_t)'),
  lsetxattr: bind('int lsetxattr(str, str, const void *, size_t, int)'),
  lremovexattr: bind('int lremovexattr(str, str)'),
  llistxattr: bind('long llistxattr(str, void *, size_t)'),
  flistxattr: bind('long flistxattr(int, void *, size_t)'),
  mknodat: bind('long syscall(long, int, str, uint32_t, uint32_t)'),
  utimensat: bind('int utimensat(int, str, const void *, int)'),
  futimens: bind('int futimens(int, const void *)'),
  fchownat: bind('int fchownat(int, str, uint32_t, uint32_t, int)'),
  lseek: bind('int64_t lseek(int, int64_t, int)'),
  ioctl: bind('int ioctl(int, ulong, long)'),
  copyFileRange: bind('long copy_file_range(int, void *, int, void *, size_t, uint32_t)'),
  flock: bind('int flock(int, int)'),
  syncfs: bind('int syncfs(int)'),
};

const scratch = Buffer.alloc(MAX_XATTR_BYTES);

/** The value of an extended attribute, links not followed. Undefined: not set, or none are possible here. */
export function lgetxattr(path: Path, name: string): Buffer | undefined {
  const cPath = cString(path);
  return readValue('lgetxattr', path, (buffer, size) => native.lgetxattr(cPath, name, buffer, size));
}

/** As {@link lgetxattr}, of an open file: no path to look up again. */
export function fgetxattr(fd: number, name: string): Buffer | undefined {
  return readValue('fgetxattr', undefined, (buffer, size) => native.fgetxattr(fd, name, buffer, size));
}

/** Asks for the length first: most files have no value, and a call with a buffer costs ten times as much. */
function readValue(
  syscall: string,
  path: Path | undefined,
  call: (buffer: Buffer | null, size: number) => number,
): Buffer | undefined {
  let length = call(null, 0);
  if (length > 0) length = call(scratch, scratch.length);
  if (length !== -1) return Buffer.from(scratch.subarray(0, length));
  const code = errno();
  if (code === ENODATA || code === EOPNOTSUPP) return undefined;
  throw systemError(syscall, code, path);
}

/** Sets an extended attribute, links not followed. @throws EPERM, ENOTSUP, ENOSPC */
export function lsetxattr(path: Path, name: string, value: Uint8Array): void {
  checked(native.lsetxattr(cString(path), cString(name), value, value.length, 0), 'lsetxattr', path);
}

export function lremovexattr(path: Path, name: string): void {
  checked(native.lremovexattr(cString(path), name), 'lremovexattr', path);
}

/** Names of all extended attributes, links not followed; empty where the file system has none. */
export function llistxattr(path: Path): string[] {
  const length = native.llistxattr(cString(path), scratch, scratch.length);
  if (length === -1) {
    const code = errno();
    if (code === EOPNOTSUPP) return [];
    throw systemError('llistxattr', code === ERANGE ? 7 : code, path);
  }
  return length === 0 ? [] : scratch.toString('utf8', 0, length - 1).split('\0');
}

/** Whether an open file may have extended attributes; where that cannot be told, it may. */
export function hasXattrs(fd: number): boolean {
  return native.flistxattr(fd, null, 0) !== 0;
}

/** File type bits of mknod(2)'s mode. */
export const S_IFMT = 0o170000;
export const S_IFIFO = 0o010000;
export const S_IFCHR = 0o020000;
export const S_IFBLK = 0o060000;

/** Makes a device or a fifo; `mode` has the type bits. The umask applies to it. */
export function mknod(path: Path, mode: number, major = 0, minor = 0): void {
  const dev = ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & ~0xff) << 12)) >>> 0;
  checked(native.mknodat(callNumber('mknodat'), AT_FDCWD, cString(path), mode, dev), 'mknod', path);
}

/** Major and minor number in a stat's `rdev`, as glibc's gnu_dev_major(3) takes them apart. */
export function deviceNumbers(rdev: bigint): { major: number; minor: number } {
  return {
    major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n)),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n)),
  };
}

const times = Buffer.alloc(32);

/** Sets access and modification time in nanoseconds since 1970, links not followed. */
export function lutimesNs(path: Path, atimeNs: bigint, mtimeNs: bigint): void {
  writeTimespec(0, atimeNs);
  writeTimespec(16, mtimeNs);
  checked(native.utimensat(AT_FDCWD, cString(path), times, AT_SYMLINK_NOFOLLOW), 'utimensat', path);
}

/** As {@link lutimesNs}, of an open file. */
export function futimesNs(fd: number, atimeNs: bigint, mtimeNs: bigint): void {
  writeTimespec(0, atimeNs);
  writeTimespec(16, mtimeNs);
  checked(native.futimens(fd, times), 'futimens');
}

function writeTimespec(offset: number, ns: bigint): void {
  const rest = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  times.writeBigInt64LE((ns - rest) / 1_000_000_000n, offset);
  times.writeBigInt64LE(rest, offset + 8);
}

/** chown(2) with ids up to 2³²-2, links not followed. */
export function lchown(path: Path, uid: number, gid: number): void {
  checked(native.fchownat(AT_FDCWD, cString(path), uid, gid, AT_SYMLINK_NOFOLLOW), 'lchown', path);
}

/** Start of the next run of data at or after `offset`; undefined: only a hole up to the end. */
export function seekData(fd: number, offset: number): number | undefined {
  const at = native.lseek(fd, offset, 3);
  if (at !== -1) return at;
  const code = errno();
  if (code === ENXIO) return undefined;
  throw systemError('lseek', code);
}

/** Start of the next hole at or after `offset`; the end of the file counts as one. */
export function seekHole(fd: number, offset: number): number {
  return checked(native.lseek(fd, offset, 4), 'lseek');
}

/** Makes `target` share all of `source`'s blocks. False: this file system cannot. */
export function reflink(target: number, source: number): boolean {
  const FICLONE = 0x40049409;
  return native.ioctl(target, FICLONE, source) === 0;
}

/** Copies inside the kernel from and to the files' positions. @returns bytes copied; 0 at the end */
export function copyFileRange(source: number, target: number, length: number): number {
  return checked(native.copyFileRange(source, null, target, null, length, 0), 'copy_file_range');
}

/** Tries to lock an open file. False: another holds it. */
export function tryLock(fd: number, kind: 'shared' | 'exclusive'): boolean {
  const [LOCK_SH, LOCK_EX, LOCK_NB, EWOULDBLOCK] = [1, 2, 4, 11];
  if (native.flock(fd, (kind === 'shared' ? LOCK_SH : LOCK_EX) | LOCK_NB) === 0) return true;
  if (errno() === EWOULDBLOCK) return false;
  throw systemError('flock', errno());
}

/** Writes everything of the file system that holds `fd` to its disk. */
export function syncfs(fd: number): void {
  checked(native.syncfs(fd), 'syncfs');
}
