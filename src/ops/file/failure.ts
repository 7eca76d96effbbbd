/** Errors of file actions in the words that BuildKit prints: Go's operation names, errno texts, paths in the tree. */
import { getSystemErrorMessage } from 'node:util';
import { CairnError, messageOf, type ErrorCode } from '../../errors/error.ts';
import { NeedsDisk } from './needs_disk.ts';

/** Where libuv's wording differs from strerror(3)'s, which Go uses. */
const TEXTS: Record<string, string> = {
  EBUSY: 'device or resource busy',
  EEXIST: 'file exists',
  EISDIR: 'is a directory',
  ELOOP: 'too many levels of symbolic links',
  EXDEV: 'invalid cross-device link',
  ENAMETOOLONG: 'file name too long',
  ENXIO: 'no such device or address',
};

const OPERATIONS: Record<string, string> = {
  scandir: 'open',
  copyfile: 'open',
  utime: 'utimes',
  lutime: 'utimes',
  rm: 'unlinkat',
};

/** An error with what was being done in front of it. */
class Step extends Error {
  constructor(doing: string, cause: unknown) {
    super(doing, { cause });
  }
}

/** An error in BuildKit's words that has no cause; paths of mounts in it are shown as paths in the tree. */
export function refusal(message: string): Error {
  return new Step(message, undefined);
}

/** Runs `fn`; what it throws gets `doing` in front. */
export function doing<T>(what: string, fn: () => T): T {
  try {
    return fn();
  } catch (error) {
    if (error instanceof NeedsDisk || (error instanceof CairnError && error.code === 'CANCELED')) throw error;
    throw new Step(what, error);
  }
}

/** An error as Node's fs throws it, for checks made here. */
export function systemFailure(code: string, errno: number, syscall: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${syscall}`), { code, errno: -errno, syscall, path });
}

/**
 * The error that a user sees.
 * @param roots places where trees are mounted; they are cut off the front of paths
 */
export function asFailure(error: unknown, roots: readonly string[]): unknown {
  if (error instanceof CairnError || !isFailure(error)) return error;
  return new CairnError(textOf(error, roots), { code: codeOf(rootCause(error)), cause: error });
}

/** Whether an action failed; everything else is a mistake in the program. */
export function isFailure(error: unknown): boolean {
  return error instanceof CairnError || error instanceof Step || isSystemError(error);
}

function codeOf(error: unknown): ErrorCode {
  if (error instanceof CairnError) return error.code;
  return isSystemError(error) && error.code === 'ENOENT' ? 'NOT_FOUND' : 'SOLVE';
}

function rootCause(error: unknown): unknown {
  return error instanceof Step && error.cause !== undefined ? rootCause(error.cause) : error;
}

function textOf(error: unknown, roots: readonly string[]): string {
  if (error instanceof Step && error.cause === undefined) return shown(error.message, roots);
  if (error instanceof Step) return `${shown(error.message, roots)}: ${textOf(error.cause, roots)}`;
  if (!isSystemError(error)) return shown(messageOf(error), roots);
  const operation = OPERATIONS[error.syscall ?? ''] ?? error.syscall ?? 'open';
  const paths = [error.path, error.dest]
    .filter((path) => path !== undefined)
    .map((path) => shown(String(path), roots));
  const text = TEXTS[error.code] ?? getSystemErrorMessage(error.errno);
  return `${[operation, ...paths].join(' ')}: ${text}`;
}

/** Paths in a text as they are inside their tree. */
function shown(text: string, roots: readonly string[]): string {
  let out = text;
  for (const root of roots) {
    out = out.split(`${root}/`).join('/').replaceAll(root, '/');
  }
  return out;
}

interface SystemError extends Error {
  code: string;
  errno: number;
  syscall?: string;
  path?: string | Buffer;
  dest?: string | Buffer;
}

function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && 'errno' in error && 'code' in error && typeof error.errno === 'number';
}
