/** Paths of copy and rm actions that are patterns (github.com/tonistiigi/fsutil/copy, ResolveWildcards). */
import { isDirectory } from '../../snapshots/changes/file_info.ts';
import { clean, join } from '../../snapshots/patterns/go_path.ts';
import { containsWildcards, match } from '../../snapshots/patterns/match.ts';
import { systemFailure } from './failure.ts';
import { rootPathOf, type TreeFiles } from './tree_files.ts';

const ENOENT = 2;

/** An absolute path that keeps a final `/` or `/.`, which say that a directory is meant. */
export function cleanPath(path: string): string {
  const cleaned = join('/', path);
  if (path.endsWith('/.')) return cleaned === '/' ? '/.' : `${cleaned}/.`;
  return path.endsWith('/') && cleaned !== '/' ? `${cleaned}/` : cleaned;
}

/**
 * The paths in a tree that a pattern matches, in the order of a walk; a path without wildcards is its own match,
 * there or not. Below a directory that matches nothing is looked for.
 * @param path absolute, binary string
 */
export function resolveWildcards(files: TreeFiles, path: string, followLinks: boolean): string[] {
  const parts = clean(path).split('/').slice(1);
  const first = parts.findIndex(containsWildcards);
  if (first === -1) return [clean(path)];
  const base = rootPathOf(files, join('/', ...parts.slice(0, first)), followLinks);
  const pattern = join(...parts.slice(first));
  const found: string[] = [];
  if (files.lstat(base) === undefined) throw systemFailure('ENOENT', ENOENT, 'lstat', files.root + base);
  // A class may match a slash; only without classes is the depth of matches known.
  const depth = pattern.includes('[') ? Infinity : pattern.split('/').length;
  const walk = (directory: string, relative: string, level: number): void => {
    for (const name of files.names(directory)) {
      const rel = relative === '' ? name : `${relative}/${name}`;
      const here = `${directory}/${name}`;
      if (matches(pattern, rel)) {
        found.push(here);
        continue;
      }
      if (level >= depth) continue;
      const info = files.lstat(here);
      if (info !== undefined && isDirectory(info)) walk(here, rel, level + 1);
    }
  };
  const info = files.lstat(base);
  if (info !== undefined && isDirectory(info)) walk(base, '', 1);
  return found;
}

/** In this place a malformed pattern matches nothing. */
function matches(pattern: string, path: string): boolean {
  try {
    return match(pattern, path);
  } catch {
    return false;
  }
}
