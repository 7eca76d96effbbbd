/** Making a directory and those above it. */
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * As `mkdir -p`, for paths that people name: Node's own never ends in a file system that says of a directory which
 * it does not let be made that it is not there, as /proc does (nodejs/node, fs.mkdirSync with `recursive`).
 * @param mode of what is made
 * @throws the system's error
 */
export function makeDirectories(path: string, mode = 0o777): void {
  try {
    mkdirSync(path, mode);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
    const parent = dirname(path);
    if (code !== 'ENOENT' || statSync(parent, { throwIfNoEntry: false }) !== undefined) throw error;
    makeDirectories(parent, mode);
    makeDirectories(path, mode);
  }
}
