/** Streams bytes from a synchronous job to its caller: chunks are transferred, and the job waits for the reader. */
import { CairnError } from '../errors/error.ts';
import type { JobContext, JobPool, Lane } from './contract.ts';

/**
 * Bytes that may be on their way between the threads. What was taken is freed by the garbage collector only, some time
 * later: with 16 MiB, exports of many layers took half a gigabyte, without being faster.
 */
const WINDOW_BYTES = 4 << 20;
/** How often a job that waits for its reader looks whether it was canceled, in milliseconds. */
const POLL_MS = 50;

/** Shared between the two ends: bytes sent and bytes taken, both modulo 2³². */
export type ByteChannel = SharedArrayBuffer;

/** The job's end. */
export class ByteSender {
  readonly #context: JobContext;
  readonly #taken: Int32Array;
  #sent = 0;

  constructor(context: JobContext, channel: ByteChannel) {
    this.#context = context;
    this.#taken = new Int32Array(channel);
  }

  /** Hands a chunk over; its buffer is gone afterwards. @throws CairnError CANCELED */
  readonly send = (chunk: Uint8Array<ArrayBuffer>): void => {
    // A chunk that was handed over is empty.
    const { length } = chunk;
    this.#context.post(chunk, [chunk.buffer]);
    this.#sent = (this.#sent + length) | 0;
    for (;;) {
      if (this.#context.signal.aborted) throw new CairnError('canceled', { code: 'CANCELED' });
      const taken = Atomics.load(this.#taken, 0);
      if (((this.#sent - taken) | 0) < WINDOW_BYTES) return;
      Atomics.wait(this.#taken, 0, taken, POLL_MS);
    }
  };
}

export interface ByteJob<Result> {
  /** To be read once. Ends when the job does; stopping early cancels the job. @throws the job's error */
  bytes: AsyncIterable<Uint8Array>;
  result: Promise<Result>;
}

/** Runs a job that takes `args` with a `channel` added, and sends through a {@link ByteSender}. */
export function streamJob<Args extends object, Result>(
  jobs: JobPool,
  name: string,
  args: Args,
  options: { lane?: Lane; signal?: AbortSignal } = {},
): ByteJob<Result> {
  const channel: ByteChannel = new SharedArrayBuffer(4);
  const taken = new Int32Array(channel);
  const stop = new AbortController();
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
  const queue: Uint8Array[] = [];
  let wake: () => void = () => {};
  let ended = false;
  const result = jobs.run<Args & { channel: ByteChannel }, Result>(
    name,
    { ...args, channel },
    {
      ...options,
      signal,
      onMessage(message) {
        queue.push(message as Uint8Array);
        wake();
      },
    },
  );
  const end = (): void => {
    ended = true;
    wake();
  };
  result.then(end, end);
  async function* bytes(): AsyncGenerator<Uint8Array, void, undefined> {
    let finished = false;
    try {
      for (;;) {
        const chunk = queue.shift();
        if (chunk !== undefined) {
          yield chunk;
          Atomics.add(taken, 0, chunk.length);
          Atomics.notify(taken, 0);
        } else if (ended) {
          await result;
          finished = true;
          return;
        } else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      if (!finished) stop.abort();
    }
  }
  return { bytes: bytes(), result };
}
