/** Paths of the image's operating system, as slash-separated ones (BuildKit v0.32.2, util/system/path.go). */
import { cleanPath, joinPath } from '../../../llb/builder/path.ts';
import { DockerfileError } from '../parser/error.ts';
import { goQuote } from '../../../errors/go_quote.ts';

/** Backslashes of Windows paths as slashes. */
export function toSlash(path: string, os: string): string {
  return os === 'windows' ? path.replaceAll('\\', '/') : path;
}

/** Slashes as the operating system writes them. */
export function fromSlash(path: string, os: string): string {
  return os === 'windows' ? path.replaceAll('/', '\\') : path;
}

/** Whether the path starts at the root, a drive letter aside. */
export function isAbsolute(path: string, os: string): boolean {
  try {
    return toSlash(withoutDrive(path, os, false), os).startsWith('/');
  } catch {
    return false;
  }
}

/**
 * `path` made absolute by `parent`; a trailing slash or `/.` is kept where asked for. An absolute path is not
 * cleaned otherwise.
 * @throws DockerfileError for a Windows path on another drive
 */
export function normalizePath(parent: string, path: string, os: string, keepSlash: boolean): string {
  const original = toSlash(path, os);
  let base = withoutDrive(parent === '' ? '/' : toSlash(parent, os), os, keepSlash);
  if (!isAbsolute(base, os)) base = joinPath('/', base);
  let result = withoutDrive(original === '' ? base : original, os, keepSlash);
  if (!isAbsolute(result, os)) result = joinPath(base, result);
  if (keepSlash && original.endsWith('/') && !result.endsWith('/')) result += '/';
  else if (keepSlash && original.endsWith('/.')) result = result === '/' ? '/.' : `${result}/.`;
  return toSlash(result, os);
}

/**
 * A Windows path without its drive letter, which must be C; other paths as they are.
 * @throws DockerfileError
 */
export function withoutDrive(path: string, os: string, keepSlash: boolean): string {
  if (os !== 'windows') return path;
  if (path.length === 2 && path[1] === ':') {
    throw refused(`No relative path specified in ${goQuote(path)}`);
  }
  if (toSlash(path.slice(0, 2), os) === '//') throw refused('UNC paths are not supported');
  const colon = path.indexOf(':');
  if (colon === -1) return cleanWindows(path, keepSlash);
  if (path.slice(0, colon).toLowerCase() !== 'c') {
    throw refused('The specified path is not on the system drive (C:)');
  }
  return cleanWindows(path.slice(colon + 1), keepSlash);
}

function refused(why: string): DockerfileError {
  return new DockerfileError(`removing drive letter: ${why}`);
}

function cleanWindows(path: string, keepSlash: boolean): string {
  const original = toSlash(path, 'windows');
  const clean = cleanPath(original);
  return keepSlash && clean.length > 1 && original.endsWith('/') ? `${clean}/` : clean;
}
