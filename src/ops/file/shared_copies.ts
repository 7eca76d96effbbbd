/** A copy that shares its work: collects regular files, offers them in batches, and sees that all are copied. */
import { rmSync } from 'node:fs';
import { CairnError } from '../../errors/error.ts';
import { fsPath } from '../../snapshots/names.ts';
import {
  isDone,
  isOffered,
  makeBatch,
  waitForBatch,
  withdrawBatch,
  type CopiedFile,
  type CopyBatch,
} from './copy_batch.ts';
import { writeRegular } from './regular_file.ts';

/** Some ten milliseconds of work: more than a message costs, little enough to wait for at the end. */
const BATCH_FILES = 256;
const BATCH_BYTES = 4 << 20;
/** That nobody has taken yet; beyond, the other threads are busy enough, and we copy ourselves. */
const MAX_OFFERED = 4;

interface Offered {
  batch: CopyBatch;
  files: readonly CopiedFile[];
}

export class SharedCopies {
  readonly #offer: (batch: CopyBatch) => void;
  readonly #signal: { readonly aborted: boolean };
  #files: CopiedFile[] = [];
  #bytes = 0;
  #offered: Offered[] = [];

  /** @param offer tells other threads of a batch; whether one takes it is left to them */
  constructor(offer: (batch: CopyBatch) => void, signal: { readonly aborted: boolean }) {
    this.#offer = offer;
    this.#signal = signal;
  }

  /**
   * The file is there after settle(), perhaps before.
   * @param file a client's, with one name; its target's directory is there, and at the target nothing
   * @throws what copying throws, of this file or of one that was added before
   */
  add(file: CopiedFile): void {
    this.#files.push(file);
    this.#bytes += file.source.info.size;
    if (this.#files.length < BATCH_FILES && this.#bytes < BATCH_BYTES) return;
    const files = this.#takeFiles();
    this.#offered = this.#offered.filter(({ batch }) => !isDone(batch));
    if (this.#offered.filter(({ batch }) => isOffered(batch)).length >= MAX_OFFERED) {
      this.#copy(files);
      return;
    }
    const batch = makeBatch(files);
    this.#offered.push({ batch, files });
    this.#offer(batch);
  }

  /** Copies what nobody has taken and waits for the rest. @throws what copying throws */
  settle(): void {
    this.#copy(this.#takeFiles());
    // From the end: the others take from the front.
    for (const { batch, files } of this.#offered.toReversed()) {
      if (withdrawBatch(batch)) this.#copy(files);
    }
    for (const { batch, files } of this.#offered) {
      if (!waitForBatch(batch)) this.#copyAgain(files);
    }
    this.#offered = [];
  }

  /** After a failure: when this returns, nothing is copied any more. */
  abandon(): void {
    this.#takeFiles();
    for (const { batch } of this.#offered.splice(0)) {
      if (!withdrawBatch(batch)) waitForBatch(batch);
    }
  }

  #takeFiles(): CopiedFile[] {
    const files = this.#files;
    this.#files = [];
    this.#bytes = 0;
    return files;
  }

  #copy(files: readonly CopiedFile[]): void {
    for (const { source, to, metadata } of files) {
      if (this.#signal.aborted) throw new CairnError('canceled', { code: 'CANCELED' });
      writeRegular(source, to, metadata);
    }
  }

  /** What another could not copy: here the same failure can be told. */
  #copyAgain(files: readonly CopiedFile[]): void {
    for (const { to } of files) rmSync(fsPath(to), { force: true });
    this.#copy(files);
  }
}
