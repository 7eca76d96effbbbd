import { CairnError } from '../errors/error.ts';

/** Primary result codes of SQLite (sqlite.org/rescode.html) that the store tells apart. */
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

function primaryCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number')
    return undefined;
  // Extended codes keep the primary one in their low byte.
  return error.errcode & 0xff;
}

/** Another connection holds the lock that was wanted. */
export function isBusy(error: unknown): boolean {
  const code = primaryCode(error);
  return code === BUSY || code === LOCKED;
}

/** The disk is full: by SQLite's own error, or by the one that {@link storeError} makes of it. */
export function isFull(error: unknown): boolean {
  return primaryCode(error) === FULL || (error instanceof CairnError && primaryCode(error.cause) === FULL);
}

/** The database's bytes are wrong: no retry will help. */
export function isDamage(error: unknown): boolean {
  const code = primaryCode(error);
  return code === CORRUPT || code === NOTADB;
}

/** The CairnError STORE for an SQLite error of the environment; any other error as it is. */
export function storeError(error: unknown, root: string): unknown {
  const why: Partial<Record<number, [string, string]>> = {
    [BUSY]: ['is locked by another process', 'another cairn may hang: look for it with `ps`'],
    [LOCKED]: ['is locked by another process', 'another cairn may hang: look for it with `ps`'],
    [READONLY]: ['cannot be written', 'check its permissions, or choose another with --root'],
    [IOERR]: ['failed to read or write', 'check the disk'],
    [CORRUPT]: ['is damaged', 'run the command again: a new database is made, the damaged one is kept aside'],
    [NOTADB]: ['is damaged', 'run the command again: a new database is made, the damaged one is kept aside'],
    [FULL]: [
      'has no space left on its disk',
      'free some space, e.g. with `cairn prune`, or choose another --root',
    ],
    [CANTOPEN]: ['cannot be opened', 'check its permissions, or choose another with --root'],
  };
  const reason = why[primaryCode(error) ?? -1];
  if (reason === undefined) return error;
  return new CairnError(`store ${root} ${reason[0]}`, { code: 'STORE', hint: reason[1], cause: error });
}
