/** Slash-separated paths as Go's package path has them, on node:path. */
import { posix } from 'node:path';

/** The shortest equivalent path without a trailing slash; `.` for the empty one. */
export function cleanPath(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
}

/** The non-empty parts joined and cleaned; empty when all are. */
export function joinPath(...parts: string[]): string {
  const joined = parts.filter((part) => part !== '').join('/');
  return joined === '' ? '' : cleanPath(joined);
}
