/** The bytes of one entry on their way out. */
import type { BlobProvider, Descriptor } from '../../../content/contract.ts';

/**
 * A blob that can be read several times; the provider checks it against its digest each time. The first reading is begun before a
 * key is reserved for it: a blob that cannot be read must not block its key.
 */
export class UploadSource {
  readonly #blob: Descriptor;
  readonly #provider: BlobProvider;
  readonly #signal: AbortSignal;
  readonly #onProgress: ((bytes: number) => void) | undefined;
  #begun: { first: IteratorResult<Uint8Array, void>; rest: AsyncIterator<Uint8Array, void> } | undefined;
  #sent = 0;

  constructor(
    blob: Descriptor,
    provider: BlobProvider,
    signal: AbortSignal,
    onProgress?: (bytes: number) => void,
  ) {
    this.#blob = blob;
    this.#provider = provider;
    this.#signal = signal;
    this.#onProgress = onProgress;
  }

  /** In bytes. */
  get size(): number {
    return this.#blob.size;
  }

  /** Reads the first bytes. @throws what the provider throws */
  async begin(): Promise<void> {
    const rest = this.#open();
    this.#begun = { first: await rest.next(), rest };
  }

  /**
   * The bytes; the last of them only when all were as expected, so that nobody can take wrong ones for whole.
   * @throws CairnError CORRUPT; what the provider throws
   */
  async *stream(): AsyncGenerator<Uint8Array, void, undefined> {
    const begun = this.#begun;
    this.#begun = undefined;
    const rest = begun?.rest ?? this.#open();
    try {
      let next = begun?.first ?? (await rest.next());
      while (next.done !== true) {
        const chunk = next.value;
        next = await rest.next();
        yield chunk;
      }
    } finally {
      await rest.return?.();
    }
  }

  /** Ends a reading that was begun and is not wanted. */
  async abandon(): Promise<void> {
    await this.#begun?.rest.return?.();
    this.#begun = undefined;
  }

  /** Notes bytes that the service has taken. */
  sent(bytes: number): void {
    this.#sent += bytes;
    this.#onProgress?.(this.#sent);
  }

  #open(): AsyncIterator<Uint8Array, void> {
    return this.#provider.read(this.#blob, { signal: this.#signal })[Symbol.asyncIterator]();
  }
}
