import { readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Removes a bundle: its files and its mount points. Never what is inside a directory: should something be
 * mounted there still, it is not ours.
 */
export function removeBundle(bundle: string): void {
  let entries;
  try {
    entries = readdirSync(bundle, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  for (const entry of entries) {
    const path = join(bundle, entry.name);
    if (entry.isDirectory()) rmdirSync(path);
    else unlinkSync(path);
  }
  rmdirSync(bundle);
}
