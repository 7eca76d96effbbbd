/** Copy actions: which sources, where to, and archives that are unpacked (BuildKit, solver/llbsolver/file). */
import { CairnError } from '../../errors/error.ts';
import type { FileActionCopy } from '../../llb/gen/ops_pb.js';
import { isDirectory, type FileInfo } from '../../snapshots/changes/file_info.ts';
import { displayName, parentOf, toBinary } from '../../snapshots/names.ts';
import { base, clean, join } from '../../snapshots/patterns/go_path.ts';
import { Copier, type CopyOptions } from './copy.ts';
import { doing, systemFailure } from './failure.ts';
import { parseMode, type ModeChange } from './mode.ts';
import type { Owner } from './owner.ts';
import { makeDirectories, setTimestamp, timestampOf, type TargetFiles } from './target.ts';
import { rootPath, rootPathOf, type TreeFiles } from './tree_files.ts';
import { unpack } from './unpack.ts';
import { cleanPath, resolveWildcards } from './wildcards.ts';

const ENOENT = 2;
const DIRECTORY_MODE = 0o755;

export interface CopyRequest {
  action: FileActionCopy;
  source: TreeFiles;
  target: TargetFiles;
  owner: Owner | undefined;
  signal: { readonly aborted: boolean };
}

export async function runCopy(request: CopyRequest): Promise<void> {
  const { action, source, target, owner } = request;
  const sourcePath = cleanPath(toBinary(action.src));
  const targetPath = cleanPath(toBinary(action.dest));
  if (!action.createDestPath) {
    const parent = parentOf(rootPath(target, join('/', targetPath)));
    doing(`failed to stat ${action.dest}`, () => {
      if (target.lstat(parent) === undefined) throw systemFailure('ENOENT', ENOENT, 'lstat', parent);
    });
  }
  const sources = action.allowWildcard
    ? resolveWildcards(source, sourcePath, action.followSymlink)
    : [sourcePath];
  if (sources.length === 0) {
    if (action.allowEmptyWildcard) return;
    throw new CairnError(`${displayName(sourcePath)} not found`, { code: 'NOT_FOUND' });
  }
  for (const path of sources) {
    if (action.attemptUnpackDockerCompatibility) {
      const time = timestampOf(action.timestamp);
      if (await unpack({ source, path, target, targetPath, owner, time, signal: request.signal })) continue;
    }
    copyOne(request, path, targetPath);
  }
}

function copyOne(
  { action, source, target, owner, signal }: CopyRequest,
  path: string,
  targetPath: string,
): void {
  const time = timestampOf(action.timestamp);
  const parentMode = action.modeStr === '' && action.mode !== -1 ? action.mode : DIRECTORY_MODE;
  const options: CopyOptions = {
    owner,
    time,
    mode: modeChange(action),
    includePatterns: action.includePatterns,
    excludePatterns: action.excludePatterns,
    alwaysReplace: action.alwaysReplaceExistingDestPaths,
    signal,
  };
  const directory = rootPath(target, directoryPart(targetPath));
  const made = makeDirectories(target, directory, parentMode, owner, time);
  const copier = new Copier(source, target, options);
  const from = rootPathOf(source, path, action.followSymlink);
  const info = source.lstat(from);
  if (info === undefined) throw systemFailure('ENOENT', ENOENT, 'lstat', source.root + from);
  const isDir = isDirectory(info);
  let to = rootPath(target, clean(targetPath));
  const there = doing('failed to lstat destination path', () => target.lstat(to));
  const intoIt = isDir ? !action.dirCopyContents && there !== undefined : isDirectoryThere(there);
  if (intoIt) to = below(to, base(path));
  const parent = action.dirCopyContents && isDir && there === undefined ? to : parentOf(to);
  made.push(...makeDirectories(target, parent, parentMode, owner, time));
  copier.copy(from, to);
  // What was made inside has moved their times.
  for (const directory of made.toReversed()) setTimestamp(target, directory, time);
}

function isDirectoryThere(info: FileInfo | undefined): boolean {
  return info !== undefined && isDirectory(info);
}

/** `name` may be `/` or `.`, the base of a root: the directory itself. */
function below(directory: string, name: string): string {
  const path = join('/', directory, name);
  return path === '/' ? '' : path;
}

/** The directory that a destination names or lies in. */
function directoryPart(path: string): string {
  const slash = path.lastIndexOf('/');
  const last = path.slice(slash + 1);
  return last === '' || last === '.' ? path : path.slice(0, slash + 1);
}

function modeChange(action: FileActionCopy): ModeChange | undefined {
  if (action.modeStr !== '') return parseMode(action.modeStr);
  if (action.mode === -1) return undefined;
  const mode = action.mode & 0o7777;
  return () => mode;
}
