/** Blobs and directories that turn out not to be what they should, while a build uses them. */
import type { Digest } from '../content/contract.ts';
import { damagedBlobOf } from '../content/damaged_blob.ts';
import { WrongBlobError } from '../content/verify.ts';
import { messageOf } from '../errors/error.ts';
import type { SnapshotStore } from '../snapshots/contract.ts';
import type { CacheImports } from './cache_imports.ts';

/** Causes of causes are looked through up to this depth. */
const MAX_DEPTH = 20;

export class LostBlobs {
  readonly #imports: CacheImports;
  readonly #snapshots: SnapshotStore;
  readonly #warn: (message: string) => void;
  readonly #mended = new Set<Digest>();
  #lookedAtDirectories = false;

  constructor(imports: CacheImports, snapshots: SnapshotStore, warn: (message: string) => void) {
    this.#imports = imports;
    this.#snapshots = snapshots;
    this.#warn = warn;
  }

  /**
   * Whether solving again may do without what an error is due to: a blob that a cache promised, or one of the store
   * that was damaged on its disk. Each blob of the store is taken away and made or fetched anew once.
   */
  async lose(error: unknown): Promise<boolean> {
    if (this.#imports.lose(error)) return true;
    if (this.#loseDirectories(error)) return true;
    const damaged = damagedBlobOf(error);
    const digest = damaged?.digest ?? wrongBlobOf(error)?.digest;
    if (digest === undefined || this.#mended.has(digest)) return false;
    this.#mended.add(digest);
    const mended = await this.#snapshots.mendBlob(digest);
    const again = mended || (damaged?.fresh === false && damaged.code === 'CORRUPT');
    if (again) this.#warn(`blob ${digest} of the store was damaged; it is fetched or made again`);
    return again;
  }

  /** Whether directories of the store are not there, so that something was not found in them. */
  #loseDirectories(error: unknown): boolean {
    if (this.#lookedAtDirectories || !messageOf(error).includes('ENOENT')) return false;
    this.#lookedAtDirectories = true;
    const gone = this.#snapshots.mendDirectories();
    if (gone > 0) this.#warn(`${gone} directories of the store were gone; what is needed is made again`);
    return gone > 0;
  }
}

function wrongBlobOf(error: unknown): WrongBlobError | undefined {
  let cause = error;
  for (let depth = 0; depth < MAX_DEPTH && cause instanceof Error; depth++, cause = cause.cause) {
    if (cause instanceof WrongBlobError) return cause;
  }
  return undefined;
}
