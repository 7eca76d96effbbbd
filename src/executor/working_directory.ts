import { chmodSync, chownSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** Makes `path` and the parents that are missing, mode 0755 whatever the umask, all owned by `owner`. */
export function makeDirectories(path: string, owner: { uid: number; gid: number }): void {
  const missing: string[] = [];
  for (let at = path; statSync(at, { throwIfNoEntry: false }) === undefined; at = dirname(at)) {
    missing.push(at);
  }
  for (const directory of missing.toReversed()) {
    mkdirSync(directory, { mode: 0o755 });
    chmodSync(directory, 0o755);
    chownSync(directory, owner.uid, owner.gid);
  }
}
