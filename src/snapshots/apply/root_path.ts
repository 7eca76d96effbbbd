/** Names of tar entries as paths below a root, links resolved inside it, nothing outside reachable. */
import { CairnError } from '../../errors/error.ts';
import { join } from '../changes/changes.ts';
import { isDirectory, lstat, readLink, S_IFLNK, S_IFMT } from '../changes/file_info.ts';
import { displayName } from '../names.ts';

/** As the kernel's MAXSYMLINKS, over one whole name. */
const MAX_LINKS = 40;

/**
 * A name with empty, `.` and inner `..` parts taken out; the empty string is the root. Absolute names are below
 * the root.
 * @throws CairnError CORRUPT when it climbs out of the root
 */
export function cleanName(name: string, what: string): string {
  if (!/(^|\/)\.{0,2}(\/|$)/.test(name)) return name;
  const parts: string[] = [];
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) throw climbs(what);
  }
  return parts.join('/');
}

/**
 * The path of a directory below `root` with every symlink on the way resolved inside the root. What is not there
 * is taken as it is named.
 * @throws CairnError CORRUPT for loops, and links that climb out of the root
 */
export function resolveBelow(root: string, name: string, what: string): string {
  let resolved = '';
  let rest = name.split('/').filter((part) => part !== '');
  let links = 0;
  while (rest.length > 0) {
    const [part = '', ...after] = rest;
    rest = after;
    if (part === '.') continue;
    if (part === '..') {
      if (resolved === '') throw climbs(what);
      resolved = resolved.slice(0, Math.max(resolved.lastIndexOf('/'), 0));
      continue;
    }
    const path = join(resolved, part);
    const info = lstat(join(root, path));
    if (info !== undefined && (info.mode & S_IFMT) === S_IFLNK) {
      if (++links > MAX_LINKS) {
        throw new CairnError(`${displayName(what)}: too many symbolic links on the way`, { code: 'CORRUPT' });
      }
      const target = readLink(join(root, path));
      if (target.startsWith('/')) resolved = '';
      rest = [...target.split('/').filter((p) => p !== ''), ...rest];
      continue;
    }
    resolved = path;
  }
  return resolved;
}

/** True when a directory is there, links on the way resolved. */
export function directoryBelow(root: string, name: string): boolean {
  const info = lstat(join(root, resolveBelow(root, name, name)));
  return info !== undefined && isDirectory(info);
}

function climbs(what: string): CairnError {
  return new CairnError(`tar entry ${displayName(what)} leads out of the archive's root`, {
    code: 'CORRUPT',
    hint: 'The archive is damaged or hostile; nothing was written outside.',
  });
}
