/**
 * What is known of the blobs of a layout: that a file had the bytes of its digest when its time of change was this.
 * Exports believe in a blob that is there by this note; without one its bytes are hashed, once.
 *
 * A note is a file in `.cairn/checked/` whose text is size and time of the blob. It is written after the blob and not
 * flushed: one that is lost or torn costs another look at the blob. What changes bytes and leaves both size and time
 * alone, a failing disk say, is not seen here but by the import that reads them.
 */
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Digest } from '../../content/contract.ts';

const CHECKED = '.cairn/checked';

export class CheckedBlobs {
  readonly #directory: string;

  /** @param path of the layout */
  constructor(path: string) {
    this.#directory = join(path, CHECKED);
  }

  /** @param file where the blob lies */
  has(digest: Digest, file: string): boolean {
    const state = stateOf(file);
    if (state === undefined) return false;
    try {
      return readFileSync(this.#note(digest), 'utf8') === state;
    } catch {
      return false;
    }
  }

  /** @param state of the file before its bytes were read; see {@link stateOf} */
  add(digest: Digest, state: string): void {
    const note = this.#note(digest);
    try {
      mkdirSync(dirname(note), { recursive: true });
      writeFileSync(note, state);
    } catch {
      // Only a shortcut for the next export.
    }
  }

  remove(digest: Digest): void {
    rmSync(this.#note(digest), { force: true });
  }

  #note(digest: Digest): string {
    return join(this.#directory, digest.replace(':', '/'));
  }
}

/** Size in bytes and time of the last change in nanoseconds; undefined: no such file. */
export function stateOf(file: string): string | undefined {
  const found = statSync(file, { throwIfNoEntry: false, bigint: true });
  return found?.isFile() === true ? `${found.size} ${found.mtimeNs}` : undefined;
}
