/** Reading on where a connection broke. */
import { collect } from '../../content/verify.ts';
import { CairnError, messageOf } from '../../errors/error.ts';
import { canceled } from '../../registry/cancel.ts';
import { MAX_RESUMES, RESUME_PROGRESS_BYTES } from './limits.ts';
import { backoffPause } from './retry.ts';

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
    // An interruption without any progress counts twice: it may have taken as long as a time limit.
    resumes = position - since >= RESUME_PROGRESS_BYTES ? 1 : resumes + (position === since ? 2 : 1);
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

/** An object that is read; what stands behind its version may be replaced meanwhile. */
export interface OpenObject {
  body: AsyncIterable<Uint8Array>;
  etag: string | undefined;
}

/**
 * The whole of a small object that others may replace, from the beginning again where the connection breaks.
 * @param name what is read, for messages
 * @param open undefined: no such object. What it throws is final.
 * @returns undefined: no such object
 * @throws CairnError CORRUPT above `limit` bytes, UNAVAILABLE when the connection breaks too often
 */
export async function readWhole(
  name: string,
  open: () => Promise<OpenObject | undefined>,
  { limit, signal }: { limit: number; signal: AbortSignal },
): Promise<{ bytes: Buffer; etag: string | undefined } | undefined> {
  for (let failures = 1; ; failures++) {
    const object = await open();
    if (object === undefined) return undefined;
    try {
      return { bytes: await collect(object.body, limit), etag: object.etag };
    } catch (cause) {
      if (signal.aborted) throw canceled(signal);
      if (cause instanceof CairnError && cause.code === 'CORRUPT') throw cause;
      if (failures > MAX_RESUMES) {
        const message = `${name}: reading stopped: ${messageOf(cause)}`;
        throw new CairnError(message, { code: 'UNAVAILABLE', cause });
      }
      await backoffPause(failures, signal);
    }
  }
}
