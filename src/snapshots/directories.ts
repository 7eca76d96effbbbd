/** Where the files of layers and snapshots are on disk, and how they come there whole. README.md has the layout. */
import { chownSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Store } from '../store/contract.ts';
import { diskUsage } from './apply/copy_tree.ts';
import { toBinary } from './names.ts';
import type { Format } from './records.ts';

/** Of the root directory of every layer, as BuildKit's snapshotters make it. */
const ROOT_MODE = 0o755;

export class Directories {
  readonly #store: Store;
  #mounts: string | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Root of the files of a finished directory. */
  path(format: Format, id: string): string {
    return join(this.#store.root, 'snapshots', format, id, 'fs');
  }

  has(format: Format, id: string): boolean {
    return lstatSync(this.path(format, id), { throwIfNoEntry: false }) !== undefined;
  }

  /** A directory without anything in it, for mounts that need one. */
  empty(): string {
    const path = this.#store.path('snapshots', 'empty', 'fs');
    mkdirSync(path, { recursive: true, mode: ROOT_MODE });
    return path;
  }

  /** For mount points. */
  mountParent(): string {
    if (this.#mounts === undefined) {
      this.#mounts = this.#store.tempPath('-mounts');
      mkdirSync(this.#mounts, { mode: 0o711 });
    }
    return this.#mounts;
  }

  /**
   * A new directory with `fs` in it, to be filled and then {@link publish}ed or {@link remove}d.
   * @param likeRoot whose owner the root gets: the layer below
   */
  begin(likeRoot?: string): { base: string; fs: string; work: string } {
    const base = this.#store.tempPath('-layer');
    const fs = join(base, 'fs');
    mkdirSync(base, { mode: 0o700 });
    mkdirSync(fs, { mode: ROOT_MODE });
    if (likeRoot !== undefined) {
      const { uid, gid } = lstatSync(likeRoot);
      if (uid !== process.geteuid?.() || gid !== process.getegid?.()) chownSync(fs, uid, gid);
    }
    return { base, fs, work: join(base, 'work') };
  }

  /**
   * Gives a filled directory its name. To be called in the transaction that records it, where no record is there:
   * what has the name already is then what a killed process left, or what is about to be discarded.
   */
  publish(base: string, format: Format, id: string): void {
    const final = dirname(this.path(format, id));
    this.#store.path('snapshots', format, id);
    rmSync(join(base, 'work'), { recursive: true, force: true });
    try {
      renameSync(base, final);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
      renameSync(final, this.#store.tempPath('-removed'));
      renameSync(base, final);
    }
  }

  async remove(base: string): Promise<void> {
    await rm(base, { recursive: true, force: true });
  }

  /**
   * Takes the name from a finished directory. To be called in a transaction that sees no record of it.
   * @returns where it is now, to be {@link remove}d; undefined: it was gone
   */
  retire(format: Format, id: string): string | undefined {
    const gone = this.#store.tempPath('-removed');
    try {
      renameSync(dirname(this.path(format, id)), gone);
      return gone;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Ids of the finished directories on disk, whether they are recorded or not. */
  ids(format: Format): string[] {
    try {
      return readdirSync(join(this.#store.root, 'snapshots', format));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }

  /** Bytes on disk, synchronously. */
  measure(format: Format, id: string): number {
    return diskUsage(toBinary(dirname(this.path(format, id))));
  }
}
