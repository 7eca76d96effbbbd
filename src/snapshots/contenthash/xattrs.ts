/** Extended attributes for digests. Loads the system calls, so only jobs import it. */
import { llistxattr, lgetxattr } from '../../platform/syscalls_files.ts';
import { toBinary } from '../names.ts';

/** Names (binary strings) and values of a path's attributes, links not followed. */
export function readXattrs(path: string | Buffer): (readonly [string, Uint8Array])[] {
  return llistxattr(path).flatMap((name) => {
    // Gone in between, or not readable by this process: BuildKit leaves those out too.
    const value = lgetxattr(path, name);
    return value === undefined ? [] : [[toBinary(name), value] as const];
  });
}
