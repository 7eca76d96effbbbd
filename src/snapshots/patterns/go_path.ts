/**
 * Path arithmetic as Go's path package does it on slash-separated paths: what BuildKit's keys are made from.
 * node:path keeps trailing slashes and `./`, so it is not a substitute.
 */

/** The shortest equivalent path; `.` for the empty path (Go path.Clean). */
export function clean(path: string): string {
  if (path === '') return '.';
  const rooted = path.startsWith('/');
  const out: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') out.push(part);
    else if (out.length > 0 && out.at(-1) !== '..') out.pop();
    else if (!rooted) out.push(part);
  }
  if (rooted) return `/${out.join('/')}`;
  return out.length === 0 ? '.' : out.join('/');
}

/** The non-empty elements joined and cleaned; empty when all are empty (Go path.Join). */
export function join(...parts: string[]): string {
  const joined = parts.filter((part) => part !== '').join('/');
  return joined === '' ? '' : clean(joined);
}

/** All but the last element, cleaned; `.` when there is none (Go path.Dir). */
export function dir(path: string): string {
  return clean(path.slice(0, path.lastIndexOf('/') + 1));
}

/** The last element without trailing slashes; `.` for the empty path, `/` for slashes only (Go path.Base). */
export function base(path: string): string {
  if (path === '') return '.';
  const trimmed = path.replace(/\/+$/, '');
  if (trimmed === '') return '/';
  return trimmed.slice(trimmed.lastIndexOf('/') + 1);
}
