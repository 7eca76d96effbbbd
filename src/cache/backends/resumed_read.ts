/** Reading on where a connection broke. */
import { CairnError, messageOf } from '../../errors/error.ts';
import { canceled } from '../../registry/cancel.ts';
import { MAX_RESUMES, RESUME_PROGRESS_BYTES } from './limits.ts';

export interface ResumedReadOptions {
  /** What is read, for messages. */
  name: string;
  /** First byte, and the one after the last. */
  start: number;
  end: number;
  signal: AbortSignal | undefined;
  /** Asks for the bytes from `start` on. What it throws is final. */
  open(start: number): Promise<AsyncIterable<Uint8Array>>;
}

/**
 * The bytes from `start` to `end`, or fewer when the object has fewer: what they are is for the reader to check.
 * @throws CairnError UNAVAILABLE when the connection breaks too often
 */
export async function* resumedRead(options: ResumedReadOptions): AsyncGenerator<Uint8Array> {
  const { end, signal } = options;
  let position = options.start;
  let since = position;
  for (let resumes = 0; position < end;) {
    const body = await options.open(position);
    let broken: unknown;
    const chunks = body[Symbol.asyncIterator]();
    try {
      while (position < end) {
        const next = await chunks.next().catch((error: unknown) => {
          broken = error;
          return { done: true as const, value: undefined };
        });
        if (next.done === true) break;
        const chunk = next.value.subarray(0, end - position);
        position += chunk.length;
        yield chunk;
      }
    } finally {
      await chunks.return?.();
    }
    if (position >= end) return;
    if (signal?.aborted === true) throw canceled(signal);
    resumes = position - since >= RESUME_PROGRESS_BYTES ? 1 : resumes + 1;
    since = position;
    if (resumes > MAX_RESUMES) {
      const cause = broken === undefined ? 'it ended too early' : messageOf(broken);
      throw new CairnError(`${options.name}: reading stopped at byte ${position} of ${end}: ${cause}`, {
        code: 'UNAVAILABLE',
        cause: broken,
      });
    }
  }
}
