/** The actions that need no source: mkdir, mkfile, symlink, rm (BuildKit, solver/llbsolver/file/backend.go). */
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { CairnError } from '../../errors/error.ts';
import type {
  FileActionMkDir,
  FileActionMkFile,
  FileActionRm,
  FileActionSymlink,
} from '../../llb/gen/ops_pb.js';
import { fsPath, toBinary } from '../../snapshots/names.ts';
import { base, dir, join } from '../../snapshots/patterns/go_path.ts';
import { systemFailure } from './failure.ts';
import type { Owner } from './owner.ts';
import { makeDirectories, setOwner, setTimestamp, timestampOf } from './target.ts';
import { lstatAt, rootPath, type MountedFiles } from './tree_files.ts';
import { cleanPath, resolveWildcards } from './wildcards.ts';

const ENOENT = 2;

export function makeDirectoryAction(
  target: MountedFiles,
  action: FileActionMkDir,
  owner: Owner | undefined,
): void {
  const path = target.root + rootPath(target, toBinary(action.path));
  const mode = action.mode & 0o777;
  const time = timestampOf(action.timestamp);
  if (action.makeParents) {
    makeDirectories(path, mode, owner, time);
    return;
  }
  try {
    mkdirSync(fsPath(path), mode);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return;
    throw error;
  }
  chmodSync(fsPath(path), mode);
  setOwner(path, owner);
  setTimestamp(path, time);
}

/** An existing file keeps its mode. */
export function makeFileAction(
  target: MountedFiles,
  action: FileActionMkFile,
  owner: Owner | undefined,
): void {
  const path = target.root + rootPath(target, toBinary(action.path));
  const isNew = lstatAt(path) === undefined;
  const mode = action.mode & 0o777;
  writeFileSync(fsPath(path), action.data, { mode });
  if (isNew) chmodSync(fsPath(path), mode);
  setOwner(path, owner);
  setTimestamp(path, timestampOf(action.timestamp));
}

export function makeSymlinkAction(
  target: MountedFiles,
  action: FileActionSymlink,
  owner: Owner | undefined,
): void {
  const path = target.root + rootPath(target, toBinary(action.newpath));
  symlinkSync(fsPath(toBinary(action.oldpath)), fsPath(path));
  setOwner(path, owner);
  setTimestamp(path, timestampOf(action.timestamp));
}

export function removeAction(target: MountedFiles, action: FileActionRm): void {
  const path = toBinary(action.path);
  const paths = action.allowWildcard ? resolveWildcards(target, cleanPath(path), false) : [path];
  for (const one of paths) removePath(target, one, action.allowNotFound);
}

function removePath(target: MountedFiles, given: string, allowNotFound: boolean): void {
  const path = join('/', given);
  if (path === '/') throw new CairnError('rmPath: invalid empty path', { code: 'SOLVE' });
  const full = `${target.root}${rootPath(target, dir(path))}/${base(path)}`;
  if (!allowNotFound && target.lstat(rootPath(target, path)) === undefined) {
    throw systemFailure('ENOENT', ENOENT, 'stat', full);
  }
  rmSync(fsPath(full), { recursive: true, force: true });
}
