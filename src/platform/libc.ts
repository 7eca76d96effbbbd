/** Loads the C library's functions through koffi, at the first system call and not before. */
import { createRequire } from 'node:module';
import { getSystemErrorMessage, getSystemErrorName } from 'node:util';
import type * as KoffiModule from 'koffi';
import type { KoffiFunc } from 'koffi';

/** A path: text as Node has it, or raw bytes without a final NUL. */
export type Path = string | Uint8Array;

type Koffi = typeof KoffiModule;
type Native = (
  ...args: (number | bigint | string | Uint8Array | null | readonly (string | null)[])[]
) => number | bigint;

const require = createRequire(import.meta.url);
let koffi: Koffi | undefined;
let libc: ReturnType<Koffi['load']> | undefined;

/**
 * A libc function, bound at its first call. `signature` is C without names, e.g. `int umount2(str, int)`;
 * `str` takes a {@link cString}, `void *` a Buffer that the call fills or reads.
 */
export function bind(signature: string): (...args: Parameters<Native>) => number {
  let fn: KoffiFunc<Native> | undefined;
  return (...args) => {
    if (fn === undefined) {
      koffi ??= require('koffi') as Koffi;
      libc ??= koffi.load(null);
      fn = libc.func(signature) as KoffiFunc<Native>;
    }
    return Number(fn(...args));
  };
}

/** The thread's errno after a call that returned -1. */
export function errno(): number {
  return koffi?.errno() ?? 0;
}

/** What a `str` parameter takes: text, or bytes with the NUL that they need. */
export function cString(path: Path): string | Uint8Array {
  if (typeof path === 'string') {
    if (path.includes('\0')) throw systemError('open', 22, path);
    return path;
  }
  if (path.includes(0)) throw systemError('open', 22, path);
  const bytes = new Uint8Array(path.length + 1);
  bytes.set(path);
  return bytes;
}

/** An error of the shape that Node's fs throws: `code`, `errno` (negative), `syscall`, `path`. */
export function systemError(syscall: string, code: number, path?: Path): NodeJS.ErrnoException {
  const name = getSystemErrorName(-code);
  const shown = path === undefined ? '' : ` '${Buffer.from(path as Uint8Array).toString()}'`;
  const error: NodeJS.ErrnoException = new Error(
    `${name}: ${getSystemErrorMessage(-code)}, ${syscall}${shown}`,
  );
  error.code = name;
  error.errno = -code;
  error.syscall = syscall;
  if (path !== undefined) error.path = Buffer.from(path as Uint8Array).toString();
  return error;
}

/** `result`, or the error that errno tells of when it is -1. */
export function checked(result: number, syscall: string, path?: Path): number {
  if (result === -1) throw systemError(syscall, errno(), path);
  return result;
}

const NUMBERS: Partial<Record<NodeJS.Architecture, { mknodat: number }>> = {
  x64: { mknodat: 259 },
  arm64: { mknodat: 33 },
};

/** Numbers of system calls that an old C library has no function for; the others are equal everywhere. */
export function callNumber(name: 'mknodat'): number {
  const number = NUMBERS[process.arch]?.[name];
  if (number === undefined) throw systemError(name, 38);
  return number;
}
