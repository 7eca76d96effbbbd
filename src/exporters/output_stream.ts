import { once } from 'node:events';
import { finished } from 'node:stream/promises';

/** Writes to a stream of the client's with its back-pressure, and ends it once. */
export class OutputStream {
  readonly #stream: NodeJS.WritableStream;
  readonly #failed: Promise<never>;

  constructor(stream: NodeJS.WritableStream) {
    this.#stream = stream;
    this.#failed = new Promise((_resolve, reject) => stream.once('error', reject));
    // An error between two writes is met by the next one.
    this.#failed.catch(() => {});
  }

  /** @throws the stream's error, e.g. EPIPE or ENOSPC */
  async write(chunk: Uint8Array): Promise<void> {
    if (this.#stream.write(chunk)) return;
    await Promise.race([once(this.#stream, 'drain'), this.#failed]);
  }

  /** Resolves when everything has been handed over. @throws the stream's error */
  async end(): Promise<void> {
    // What is read on the other side of a pipe is no concern of the writer's.
    const done = finished(this.#stream, { readable: false });
    this.#stream.end();
    await done;
  }
}
