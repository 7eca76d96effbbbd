import { once } from 'node:events';
import { finished } from 'node:stream/promises';

/**
 * Writes to a stream of the client's with its back-pressure, and ends it once. A reader that has gone away
 * (EPIPE) is no error here: it has what it wanted, or says itself what was wrong, as `docker load` does by its
 * exit code.
 */
export class OutputStream {
  readonly #stream: NodeJS.WritableStream;
  readonly #failed: Promise<void>;
  #readerGone = false;

  constructor(stream: NodeJS.WritableStream) {
    this.#stream = stream;
    this.#failed = new Promise((resolve, reject) => {
      stream.once('error', (error: NodeJS.ErrnoException) => {
        this.#readerGone = error.code === 'EPIPE';
        if (this.#readerGone) resolve();
        else reject(error);
      });
      if (!stream.writable) {
        this.#readerGone = true;
        resolve();
      }
      // Node closes the pipe to a child that has ended without calling it an error.
      stream.once('close', () => {
        this.#readerGone = true;
        resolve();
      });
    });
    // An error between two writes is met by the next one.
    this.#failed.catch(() => {});
  }

  /** @throws the stream's error, e.g. ENOSPC */
  async write(chunk: Uint8Array): Promise<void> {
    if (this.#gone()) return await this.#failed;
    if (this.#stream.write(chunk)) return;
    await Promise.race([once(this.#stream, 'drain').catch(() => this.#failed), this.#failed]);
  }

  /** Resolves when everything has been handed over. @throws the stream's error */
  async end(): Promise<void> {
    if (this.#gone()) return await this.#failed;
    // What is read on the other side of a pipe is no concern of the writer's.
    const done = finished(this.#stream, { readable: false });
    this.#stream.end();
    await done.catch(() => this.#failed);
  }

  /** True when nobody takes what is written any more. */
  #gone(): boolean {
    return this.#readerGone || !this.#stream.writable;
  }
}
