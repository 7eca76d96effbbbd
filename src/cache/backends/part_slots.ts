/**
 * Cutting blobs into the parts that object storage wants. A part lies in memory while it is sent, so that it can be
 * sent again; the parts of all blobs of a backend share one bound.
 */

/** So many parts may be in memory at once. First come, first served. */
export class PartSlots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async acquire(): Promise<void> {
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    await new Promise<void>((done) => this.#waiting.push(done));
  }

  release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}

export interface PartsOptions<T> {
  /** Bytes of each part but the last. */
  partSize: number;
  slots: PartSlots;
  /** Fires when a part failed, too. */
  signal: AbortSignal;
  /** Sends a part; `index` counts from 0. Called for several parts at once. */
  send: (part: Uint8Array, index: number, signal: AbortSignal) => Promise<T>;
}

/**
 * Sends `bytes` in parts, and resolves when all of them were sent, with what `send` gave, in order. No bytes give
 * no parts. Reading stops when a part fails; nothing is being sent any more when this settles.
 *
 * @param size how many bytes are expected: no more than these are allocated
 * @throws what reading or sending throws first
 */
export async function sendParts<T>(
  bytes: AsyncIterable<Uint8Array>,
  size: number,
  { partSize, slots, signal, send }: PartsOptions<T>,
): Promise<T[]> {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const sending: Promise<T>[] = [];
  let part: Buffer | undefined;
  let filled = 0;
  let left = size;

  const begin = async (): Promise<Buffer> => {
    await slots.acquire();
    const next = Buffer.allocUnsafeSlow(Math.max(1, Math.min(partSize, left)));
    left -= next.length;
    filled = 0;
    return next;
  };
  const finish = (full: Buffer): void => {
    const sent = send(full.subarray(0, filled), sending.length, either).finally(() => slots.release());
    sent.catch((error: unknown) => failed.abort(error));
    sending.push(sent);
    part = undefined;
  };

  try {
    for await (const chunk of bytes) {
      for (let start = 0; start < chunk.length;) {
        either.throwIfAborted();
        part ??= await begin();
        const end = Math.min(chunk.length, start + part.length - filled);
        part.set(chunk.subarray(start, end), filled);
        filled += end - start;
        start = end;
        if (filled === part.length) finish(part);
      }
    }
    either.throwIfAborted();
    if (part !== undefined) finish(part);
    return await Promise.all(sending);
  } catch (error) {
    failed.abort(error);
    if (part !== undefined) slots.release();
    await Promise.allSettled(sending);
    throw failed.signal.reason;
  }
}
