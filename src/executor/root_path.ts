/** Paths inside a root file system, with links that cannot lead out of it. */
import { lstatSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** As the kernel's and containerd's continuity/fs. */
const MAX_LINKS = 255;

/**
 * The real place of `path` in the tree at `root`: links are followed as if `root` were `/`, the last one too.
 * What does not exist is taken as it is written.
 * @throws ELOOP-like Error when there are more than 255 links on the way
 */
export function rootPath(root: string, path: string): string {
  const pending = path.split('/').toReversed();
  const done: string[] = [];
  let links = 0;
  for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      done.pop();
      continue;
    }
    const target = linkTarget(join(root, ...done, part));
    if (target === undefined) {
      done.push(part);
      continue;
    }
    if (++links > MAX_LINKS) throw new Error(`too many links in ${path}`);
    if (target.startsWith('/')) done.length = 0;
    pending.push(...target.split('/').toReversed());
  }
  return join(root, ...done);
}

function linkTarget(path: string): string | undefined {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}
