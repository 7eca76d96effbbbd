/** What changed between two trees, in the order in which a layer tells it. */
import { CairnError } from '../../errors/error.ts';
import { displayName } from '../names.ts';
import { isSameFile } from './compare.ts';
import {
  isDirectory,
  isOpaque,
  isRedirected,
  isWhiteout,
  lstat,
  sortedNames,
  type FileInfo,
} from './file_info.ts';

/** `unchanged` is only told of files with several links: one of them may be new. */
export type ChangeKind = 'add' | 'modify' | 'delete' | 'unchanged';

/** `path` is relative, a binary string; `info` is of the upper tree, undefined for a deletion. */
export type ChangeHandler = (kind: ChangeKind, path: string, info: FileInfo | undefined) => void;

/**
 * The diff that an overlay upper directory is, as BuildKit's overlay differ sees it (util/overlay): directories
 * that only hold changes are not told; below an opaque directory each file of the lower tree is told deleted.
 *
 * @param upper the upper directory itself
 * @param base root of the mounted lower tree; undefined: scratch
 */
export function overlayChanges(upper: string, base: string | undefined, handle: ChangeHandler): void {
  const walk = (dir: string, below: boolean): void => {
    for (const name of sortedNames(join(upper, dir))) {
      const path = join(dir, name);
      const full = join(upper, path);
      const info = lstat(full);
      if (info === undefined) continue;
      const lower = below && base !== undefined ? lstat(join(base, path)) : undefined;
      if (isWhiteout(info)) {
        if (lower !== undefined) handle('delete', path, undefined);
        continue;
      }
      const directory = isDirectory(info);
      if (directory && isRedirected(full)) {
        throw new CairnError(
          `${displayName(path)} was renamed by redirect_dir, which a layer cannot express`,
          {
            code: 'UNSUPPORTED',
          },
        );
      }
      if (lower === undefined || base === undefined) handle('add', path, info);
      else if (!isSameFile(lower, join(base, path), info, full)) handle('modify', path, info);
      if (!directory) continue;
      if (lower !== undefined && base !== undefined && isOpaque(full)) {
        treeChanges(join(base, path), full, (kind, inner, of) => handle(kind, join(path, inner), of), true);
      } else {
        walk(path, lower !== undefined && isDirectory(lower));
      }
    }
  };
  walk('', base !== undefined);
}

/**
 * Walks both trees (continuity's fs.Changes). A deleted directory is told once.
 *
 * @param lower root directory; undefined: scratch
 * @param whiteouts the upper tree is a part of an overlay upper directory: its whiteouts are not files
 */
export function treeChanges(
  lower: string | undefined,
  upper: string,
  handle: ChangeHandler,
  whiteouts = false,
): void {
  const walk = (dir: string, inLower: boolean, inUpper: boolean): void => {
    const lowerNames = inLower && lower !== undefined ? sortedNames(join(lower, dir)) : [];
    const upperNames = inUpper ? sortedNames(join(upper, dir)) : [];
    let l = 0;
    let u = 0;
    while (l < lowerNames.length || u < upperNames.length) {
      const lowerName = lowerNames[l];
      const upperName = upperNames[u];
      if (lowerName !== undefined && (upperName === undefined || lowerName < upperName)) {
        l++;
        handle('delete', join(dir, lowerName), undefined);
        continue;
      }
      if (upperName === undefined) continue;
      u++;
      const both = lowerName === upperName;
      if (both) l++;
      const path = join(dir, upperName);
      const info = lstat(join(upper, path));
      if (info === undefined || (whiteouts && isWhiteout(info))) {
        if (both) handle('delete', path, undefined);
        continue;
      }
      const old = both && lower !== undefined ? lstat(join(lower, path)) : undefined;
      if (old === undefined || lower === undefined) {
        handle('add', path, info);
      } else if (!isSameFile(old, join(lower, path), info, join(upper, path))) {
        handle('modify', path, info);
      } else if (!isDirectory(info) && info.nlink > 1) {
        handle('unchanged', path, info);
      }
      if (isDirectory(info)) walk(path, old !== undefined && isDirectory(old), true);
    }
  };
  const top = lower === undefined ? undefined : lstat(lower);
  walk('', top !== undefined && isDirectory(top), true);
}

export function join(dir: string, name: string): string {
  if (dir === '') return name;
  return name === '' ? dir : `${dir}/${name}`;
}
