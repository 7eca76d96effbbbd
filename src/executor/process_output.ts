/** Sends a step's output to the main thread, and waits when too much of it is not taken yet. */
import type { Readable } from 'node:stream';
import type { JobContext } from '../platform/contract.ts';

/** From the thread: a piece of output. */
export interface OutputMessage {
  stream: 1 | 2;
  data: Uint8Array;
}

/** To the thread: this many bytes were taken. */
export interface TakenMessage {
  taken: number;
}

/** Bytes on their way; above that the pipes are left full, and the step waits. */
const MAX_UNTAKEN_BYTES = 1 << 20;

/** Forwards both streams in the order in which they are read. Resolves when both have ended. */
export async function forwardOutput(stdout: Readable, stderr: Readable, context: JobContext): Promise<void> {
  let untaken = 0;
  context.onMessage((message) => {
    untaken -= (message as TakenMessage).taken;
    if (untaken >= MAX_UNTAKEN_BYTES / 2) return;
    stdout.resume();
    stderr.resume();
  });
  const ended = (stream: 1 | 2, pipe: Readable): Promise<void> =>
    new Promise((resolve) => {
      pipe.on('data', (chunk: Buffer) => {
        untaken += chunk.length;
        const message: OutputMessage = { stream, data: chunk };
        const whole = chunk.byteLength === chunk.buffer.byteLength;
        context.post(message, whole && chunk.buffer instanceof ArrayBuffer ? [chunk.buffer] : []);
        if (untaken > MAX_UNTAKEN_BYTES) {
          stdout.pause();
          stderr.pause();
        }
      });
      pipe.once('error', () => resolve());
      pipe.once('close', resolve);
    });
  await Promise.all([ended(1, stdout), ended(2, stderr)]);
}
