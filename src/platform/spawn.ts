/**
 * Starts programs by posix_spawn(3). Node's child_process forks, which copies the page tables of the whole
 * process: 3 ms for a small one, 60 for one of 650 MB; this takes half a millisecond whatever the size. The child
 * has the calling thread's mount namespace.
 */
import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { bind, checked, cString, systemError } from './libc.ts';
import { closeDescriptor, pipe } from './pipe.ts';

const native = {
  spawn: bind('int posix_spawn(void *, str, const void *, const void *, const char **, const char **)'),
  initActions: bind('int posix_spawn_file_actions_init(void *)'),
  addDup2: bind('int posix_spawn_file_actions_adddup2(void *, int, int)'),
  destroyActions: bind('int posix_spawn_file_actions_destroy(void *)'),
  initAttributes: bind('int posix_spawnattr_init(void *)'),
  setFlags: bind('int posix_spawnattr_setflags(void *, short)'),
  setDefaultSignals: bind('int posix_spawnattr_setsigdefault(void *, const void *)'),
  setSignalMask: bind('int posix_spawnattr_setsigmask(void *, const void *)'),
  waitpid: bind('int waitpid(int, void *, int)'),
};

/** More than any C library's posix_spawnattr_t, posix_spawn_file_actions_t and sigset_t. */
const STRUCT_BYTES = 512;
const SETSIGDEF = 0x04;
const SETSIGMASK = 0x08;
const SETSID = 0x80;
const WNOHANG = 1;
/** Between two looks at a process that has closed its output and is about to end. */
const EXIT_POLL_MS = 1;

export interface SpawnedProcess {
  readonly pid: number;
  readonly stdout: Socket;
  readonly stderr: Socket;
  /**
   * The exit code, or 128 and the number of the signal, as a shell says it. To be called once, when both streams
   * have ended.
   */
  exitCode(): Promise<number>;
}

/**
 * Starts a program in a session of its own, with default signals, an ended pipe as stdin, and pipes for its
 * output.
 * @throws ENOENT, EACCES … of execve(2)
 */
export function spawnProcess(
  path: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): SpawnedProcess {
  const [stdin, stdout, stderr] = [pipe(), pipe(), pipe()];
  closeDescriptor(stdin.write);
  const theirs = [stdin.read, stdout.write, stderr.write];
  let pid: number;
  try {
    pid = spawnDetached(path, args, env, theirs);
  } catch (error) {
    for (const fd of [stdout.read, stderr.read]) closeDescriptor(fd);
    throw error;
  } finally {
    for (const fd of theirs) closeDescriptor(fd);
  }
  return {
    pid,
    stdout: new Socket({ fd: stdout.read, readable: true, writable: false }),
    stderr: new Socket({ fd: stderr.read, readable: true, writable: false }),
    exitCode: () => waitFor(pid),
  };
}

/**
 * Starts a program with `descriptors` as its 0, 1, 2 …; they stay open here. Nobody waits for it: to be used for
 * what outlives us.
 * @returns its process id
 */
export function spawnDetached(
  path: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  descriptors: readonly number[],
): number {
  const [actions, attributes] = [Buffer.alloc(STRUCT_BYTES), Buffer.alloc(STRUCT_BYTES)];
  const pid = Buffer.alloc(4);
  native.initActions(actions);
  native.initAttributes(attributes);
  // Node ignores SIGPIPE, and what is ignored stays so in the child.
  native.setDefaultSignals(attributes, Buffer.alloc(STRUCT_BYTES, 0xff));
  native.setSignalMask(attributes, Buffer.alloc(STRUCT_BYTES));
  native.setFlags(attributes, SETSIGDEF | SETSIGMASK | SETSID);
  try {
    descriptors.forEach((fd, target) => native.addDup2(actions, fd, target));
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const code = native.spawn(
      pid,
      cString(path),
      actions,
      attributes,
      [path, ...args, null],
      [...variables, null],
    );
    if (code !== 0) throw systemError('posix_spawn', code, path);
    return pid.readInt32LE(0);
  } finally {
    native.destroyActions(actions);
  }
}

async function waitFor(pid: number): Promise<number> {
  const status = Buffer.alloc(4);
  while (checked(native.waitpid(pid, status, WNOHANG), 'waitpid') === 0) await sleep(EXIT_POLL_MS);
  const word = status.readInt32LE(0);
  const signal = word & 0x7f;
  return signal === 0 ? (word >> 8) & 0xff : 128 + signal;
}
