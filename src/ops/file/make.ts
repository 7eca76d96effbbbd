/** The actions that need no source: mkdir, mkfile, symlink, rm (BuildKit, solver/llbsolver/file/backend.go). */
import { CairnError } from '../../errors/error.ts';
import type {
  FileActionMkDir,
  FileActionMkFile,
  FileActionRm,
  FileActionSymlink,
} from '../../llb/gen/ops_pb.js';
import { toBinary } from '../../snapshots/names.ts';
import { base, dir, join } from '../../snapshots/patterns/go_path.ts';
import { systemFailure } from './failure.ts';
import type { Owner } from './owner.ts';
import { makeDirectories, setOwner, setTimestamp, timestampOf, type TargetFiles } from './target.ts';
import { rootPath } from './tree_files.ts';
import { cleanPath, resolveWildcards } from './wildcards.ts';

const ENOENT = 2;

export function makeDirectoryAction(
  target: TargetFiles,
  action: FileActionMkDir,
  owner: Owner | undefined,
): void {
  const path = rootPath(target, toBinary(action.path));
  const mode = action.mode & 0o777;
  const time = timestampOf(action.timestamp);
  if (action.makeParents) {
    makeDirectories(target, path, mode, owner, time);
    return;
  }
  try {
    target.mkdir(path, mode);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return;
    throw error;
  }
  target.setMode(path, mode);
  setOwner(target, path, owner);
  setTimestamp(target, path, time);
}

/** An existing file keeps its mode. */
export function makeFileAction(
  target: TargetFiles,
  action: FileActionMkFile,
  owner: Owner | undefined,
): void {
  const path = rootPath(target, toBinary(action.path));
  target.write(path, action.data, action.mode & 0o777);
  setOwner(target, path, owner);
  setTimestamp(target, path, timestampOf(action.timestamp));
}

export function makeSymlinkAction(
  target: TargetFiles,
  action: FileActionSymlink,
  owner: Owner | undefined,
): void {
  const path = rootPath(target, toBinary(action.newpath));
  target.symlink(toBinary(action.oldpath), path);
  setOwner(target, path, owner);
  setTimestamp(target, path, timestampOf(action.timestamp));
}

export function removeAction(target: TargetFiles, action: FileActionRm): void {
  const path = toBinary(action.path);
  const paths = action.allowWildcard ? resolveWildcards(target, cleanPath(path), false) : [path];
  for (const one of paths) removePath(target, one, action.allowNotFound);
}

function removePath(target: TargetFiles, given: string, allowNotFound: boolean): void {
  const path = join('/', given);
  if (path === '/') throw new CairnError('rmPath: invalid empty path', { code: 'SOLVE' });
  const full = `${rootPath(target, dir(path))}/${base(path)}`;
  if (!allowNotFound && target.lstat(rootPath(target, path)) === undefined) {
    throw systemFailure('ENOENT', ENOENT, 'stat', full);
  }
  target.removeAll(full);
}
