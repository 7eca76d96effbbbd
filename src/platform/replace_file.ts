/** Files of the user's that are written whole or not at all: beside their place, then renamed. */
import { realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { removeAbandoned, temporaryName } from './temporary_name.ts';

/**
 * What a new file is to be renamed to so that `path` has its content: symbolic links are followed. Undefined where
 * something else than a file is, e.g. a device or a pipe, which is to be written to as it is.
 */
export function renameTarget(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  // A link to nothing is replaced.
  if (found === undefined) return path;
  // `/dev/stdout` may lead to a file that others hold open.
  if (!found.isFile() || /^\/(dev|proc)\//.test(path)) return undefined;
  return realpathSync(path);
}

/** Killed at any moment, it leaves the old content or the new. @throws the errors of node:fs */
export function replaceFile(path: string, content: string): void {
  const target = renameTarget(path);
  if (target === undefined) {
    writeFileSync(path, content);
    return;
  }
  removeAbandoned(dirname(target));
  const temporary = join(dirname(target), temporaryName());
  try {
    writeFileSync(temporary, content);
    renameSync(temporary, target);
  } finally {
    rmSync(temporary, { force: true });
  }
}
