/** What the disk or the database of a store has to do with a failure that was met somewhere else. */
import { statfsSync } from 'node:fs';
import { CairnError, messageOf } from '../errors/error.ts';
import { markDamaged } from './database.ts';
import { isDamage, storeError } from './sqlite_error.ts';

/** With less free space than this, in bytes, a program's failure may well come from it. */
const NEARLY_FULL_BYTES = 1024 * 1024;
const NO_SPACE = /\b(ENOSPC|EDQUOT)\b|no space left on device|disk quota exceeded/i;

/**
 * The error in the words of the store where its database or its disk failed; else as it is. A damaged database is
 * marked, so that the next opening makes a new one.
 */
export function explainStoreFailure(error: unknown, root: string): unknown {
  if (error instanceof CairnError && error.hint !== undefined) return error;
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if (isDamage(cause)) markDamaged(root);
    const known = storeError(cause, root);
    if (known !== cause) return known;
  }
  const message = messageOf(error);
  if (!NO_SPACE.test(message)) return error;
  return new CairnError(message, { code: 'STORE', hint: noSpaceHint(root), cause: error });
}

/** Said with the failure of a program while the store's disk is full; undefined: it is not. */
export function fullDiskHint(root: string): string | undefined {
  try {
    const { bavail, bsize } = statfsSync(root);
    return bavail * bsize < NEARLY_FULL_BYTES ? noSpaceHint(root) : undefined;
  } catch {
    return undefined;
  }
}

function noSpaceHint(root: string): string {
  return `The disk of the store ${root} has no space left: free some, e.g. with \`cairn prune\`, or choose another --root.`;
}
