/** Takes away the empty files and directories that a runtime makes as mount points (BuildKit executor/stubs.go, v0.32.2). */
import { lstatSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { lutimesNs } from '../platform/syscalls_files.ts';
import { rootPath } from './root_path.ts';

/**
 * Notes which of `destinations` are not in the tree at `root` yet. The function that it returns removes them
 * after the step where they are empty still, and keeps their parents' times. With `recursive`, missing parents
 * count too.
 */
export function watchMountStubs(
  root: string,
  destinations: readonly string[],
  recursive: boolean,
): () => void {
  const missing: string[] = [];
  for (const destination of destinations) {
    for (let path = join('/', destination); path !== '/'; path = dirname(path)) {
      const place = rootPath(root, path);
      if (place === root || exists(place)) break;
      // Relative to the root: links on the way may have been made by the step.
      missing.push(place.slice(root.length));
      if (!recursive) break;
    }
  }
  return () => {
    for (const path of missing) removeStub(root, path);
  };
}

function removeStub(root: string, path: string): void {
  const place = rootPath(root, path);
  const stat = lstatSync(place, { throwIfNoEntry: false });
  if (stat === undefined || place === root) return;
  const empty = stat.isDirectory() ? readdirSync(place).length === 0 : stat.size === 0;
  if (!empty) return;
  const parent = dirname(place);
  const before = lstatSync(parent, { bigint: true });
  if (stat.isDirectory()) rmdirSync(place);
  else unlinkSync(place);
  lutimesNs(parent, before.atimeNs, before.mtimeNs);
}

function exists(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return false;
    throw error;
  }
}
