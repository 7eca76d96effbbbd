import { bind, checked, cString } from '../platform/libc.ts';

/** Flags of statvfs(3) and of mount(2) that a user namespace may not take off a mount it was given. */
const LOCKED: readonly [flag: bigint, option: string][] = [
  [0x1n, 'ro'],
  [0x2n, 'nosuid'],
  [0x4n, 'nodev'],
  [0x8n, 'noexec'],
  [0x400n, 'noatime'],
  [0x800n, 'nodiratime'],
  [0x1000n, 'relatime'],
];
/** Of `struct statfs` on 64-bit Linux: its size and where `f_flags` is. */
const STATFS_BYTES = 120;
const FLAGS_OFFSET = 80;

const statfs = bind('int statfs(str, void *)');

/**
 * Options that a bind mount of `path` must repeat in a user namespace: the kernel refuses a remount that drops
 * one of them (BuildKit util/rootless/mountopts, v0.32.2).
 */
export function lockedMountOptions(path: string): string[] {
  const buffer = Buffer.alloc(STATFS_BYTES);
  checked(statfs(cString(path), buffer), 'statfs', path);
  const flags = buffer.readBigUInt64LE(FLAGS_OFFSET);
  return LOCKED.filter(([flag]) => (flags & flag) === flag).map(([, option]) => option);
}
