/** Pipes of the kernel's. Node's `stdio: 'pipe'` makes sockets, which a child cannot open again as /dev/stdout. */
import { bind, checked } from './libc.ts';

const O_CLOEXEC = 0o2000000;

const native = {
  pipe2: bind('int pipe2(void *, int)'),
  close: bind('int close(int)'),
};

/** The two ends of a new pipe; closed in children that they are not handed to. */
export function pipe(): { read: number; write: number } {
  const ends = Buffer.alloc(8);
  checked(native.pipe2(ends, O_CLOEXEC), 'pipe2');
  return { read: ends.readInt32LE(0), write: ends.readInt32LE(4) };
}

/** Closes a descriptor that Node did not open: fs.closeSync() in a worker thread would warn of it. */
export function closeDescriptor(fd: number): void {
  checked(native.close(fd), 'close');
}
