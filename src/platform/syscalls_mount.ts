/** System calls on mounts and namespaces. Synchronous; in a worker thread only (see contract.ts). */
import { closeSync, constants, openSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { CairnError } from '../errors/error.ts';
import { bind, checked, cString, type Path } from './libc.ts';

export const MS_RDONLY = 0x1;
export const MS_NOSUID = 0x2;
export const MS_NODEV = 0x4;
export const MS_NOEXEC = 0x8;
export const MS_REMOUNT = 0x20;
export const MS_BIND = 0x1000;
export const MS_REC = 0x4000;
export const MS_SLAVE = 0x80000;
export const MS_STRICTATIME = 0x1000000;
export const MNT_DETACH = 2;
export const CLONE_NEWNS = 0x20000;

const native = {
  mount: bind('int mount(str, str, str, ulong, str)'),
  umount2: bind('int umount2(str, int)'),
  unshare: bind('int unshare(int)'),
  setns: bind('int setns(int, int)'),
  chdir: bind('int chdir(str)'),
  fchdir: bind('int fchdir(int)'),
  prctl: bind('int prctl(int, ulong, ulong, ulong, ulong)'),
  fsopen: bind('long syscall(long, str, uint32_t)'),
  fsconfig: bind('long syscall(long, int, uint32_t, str, str, int)'),
  fsmount: bind('long syscall(long, int, uint32_t, uint32_t)'),
  close: bind('int close(int)'),
  moveMount: bind('long syscall(long, int, str, int, str, uint32_t)'),
};

/** mount(2). `options` is the data string of the file system. */
export function mount(source: Path, target: Path, type: string, flags: number, options = ''): void {
  checked(native.mount(cString(source), cString(target), type, flags, cString(options)), 'mount', target);
}

export function umount2(target: Path, flags = 0): void {
  checked(native.umount2(cString(target), flags), 'umount2', target);
}

export function unshare(flags: number): void {
  checked(native.unshare(flags), 'unshare');
}

/** Moves the calling thread into the namespace that `fd` (of /proc/PID/ns/…) names. */
export function setns(fd: number, type: number): void {
  checked(native.setns(fd, type), 'setns');
}

/** chdir(2) of the calling thread; Node forbids process.chdir() in workers, and does not see this one. */
export function chdir(path: Path): void {
  checked(native.chdir(cString(path)), 'chdir', path);
}

export function fchdir(fd: number): void {
  checked(native.fchdir(fd), 'fchdir');
}

/** The signal that this process gets when its parent's thread ends. */
export function setParentDeathSignal(signal: number): void {
  checked(native.prctl(1, signal, 0, 0, 0), 'prctl');
}

const FSOPEN_CLOEXEC = 1;
const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;
const FSMOUNT_CLOEXEC = 1;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const AT_FDCWD = -100;

/**
 * Mounts by fsopen(2), fsconfig(2), fsmount(2), move_mount(2): options of any length, each by itself. A value
 * `true` sets a flag.
 * @throws EINVAL or ENOSYS where the kernel does not know the calls or an option
 */
export function mountByOptions(
  type: string,
  target: Path,
  options: readonly (readonly [name: string, value: string | true])[],
): void {
  const context = checked(native.fsopen(430, type, FSOPEN_CLOEXEC), 'fsopen', target);
  try {
    for (const [name, value] of options) {
      const result =
        value === true
          ? native.fsconfig(431, context, FSCONFIG_SET_FLAG, name, null, 0)
          : native.fsconfig(431, context, FSCONFIG_SET_STRING, name, cString(value), 0);
      checked(result, `fsconfig ${name}`, target);
    }
    checked(native.fsconfig(431, context, FSCONFIG_CMD_CREATE, null, null, 0), 'fsconfig', target);
    const mounted = checked(native.fsmount(432, context, FSMOUNT_CLOEXEC, 0), 'fsmount', target);
    try {
      checked(
        native.moveMount(429, mounted, '', AT_FDCWD, cString(target), MOVE_MOUNT_F_EMPTY_PATH),
        'move_mount',
        target,
      );
    } finally {
      // Node keeps a list of the descriptors that it opened in a worker, and warns of others.
      native.close(mounted);
    }
  } finally {
    native.close(context);
  }
}

/** Runs `fn` with this thread's working directory at `path`, for system calls that take relative names. */
export function withWorkingDirectory<T>(path: string, fn: () => T): T {
  const before = openSync('.', constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    chdir(path);
    try {
      return fn();
    } finally {
      fchdir(before);
    }
  } finally {
    closeSync(before);
  }
}

let privateMounts = false;

/**
 * Gives the calling worker thread a mount namespace of its own, once: what it mounts is seen by this thread's
 * synchronous calls and by the processes it spawns, and is gone with it.
 * @throws CairnError DENIED where the kernel does not allow it
 */
export function enterPrivateMounts(): void {
  if (privateMounts) return;
  if (isMainThread) throw new Error('mounts belong in a worker thread: asynchronous fs would not see them');
  try {
    unshare(CLONE_NEWNS);
    mount('none', '/', '', MS_REC | MS_SLAVE);
  } catch (error) {
    throw new CairnError('this process may not make mounts of its own', {
      code: 'DENIED',
      hint: 'Run as root, or where user namespaces are allowed.',
      cause: error,
    });
  }
  privateMounts = true;
}
