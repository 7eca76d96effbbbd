/** Makes mount points as runc does: crun's have another mode, and parents that a step writes to stay in the layer. */
import { chmodSync, lstatSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { OciMount } from './oci_spec.ts';
import { rootPath } from './root_path.ts';
import { makeDirectories } from './working_directory.ts';

const ROOT = { uid: 0, gid: 0 };

/**
 * Makes what `mounts` are mounted on in the root file system at `root`, mode 0755. What is below another mount is
 * left to the runtime, which sees that mount.
 */
export function makeMountPoints(root: string, mounts: readonly OciMount[]): void {
  for (const { destination, type, source, options } of mounts) {
    const covered = mounts.some((other) => destination.startsWith(`${other.destination}/`));
    if (covered || destination === '/') continue;
    const place = rootPath(root, destination);
    if (exists(place)) continue;
    const directory = type !== 'bind' || statSync(source).isDirectory();
    makeDirectories(directory ? place : dirname(place), ROOT);
    // Runtimes give a tmpfs the mode of what it covers; where nothing was there it has its own.
    const ownMode = type === 'tmpfs' && !options.some((option) => option.startsWith('mode='));
    if (ownMode) chmodSync(place, 0o1777);
    if (directory) continue;
    writeFileSync(place, '');
    chmodSync(place, 0o755);
  }
}

function exists(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    // Below a file: the runtime says so in its own words.
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return true;
    throw error;
  }
}
