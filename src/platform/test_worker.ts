/** Worker entry of the pool's own tests. */
import { CairnError } from '../errors/error.ts';
import { ByteSender, type ByteChannel } from './byte_stream.ts';
import type { JobContext } from './contract.ts';
import { serveJobs } from './worker_thread.ts';
import { isMainThread } from 'node:worker_threads';

export const STREAM_CHUNK_BYTES = 1 << 20;
export interface StreamArgs {
  chunks: number;
  /** Counts what was sent. */
  sent: SharedArrayBuffer;
  channel: ByteChannel;
}

if (!isMainThread)
  serveJobs({
    double: (n: number) => n * 2,
    async later(n: number) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return n;
    },
    fail() {
      throw Object.assign(new CairnError('no such layer', { code: 'NOT_FOUND', hint: 'Pull it.' }), {
        exitCode: 7,
      });
    },
    failPlain() {
      process.chdir('/nonexistent');
    },
    exit() {
      process.exit(3);
    },
    spin(_: null, context: JobContext) {
      context.post('spinning');
      while (!context.signal.aborted);
      return 'stopped';
    },
    async wait(_: null, context: JobContext) {
      context.post('waiting');
      await new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve()));
      return 'stopped';
    },
    stream({ chunks, sent, channel }: StreamArgs, context: JobContext) {
      const sender = new ByteSender(context, channel);
      for (let i = 0; i < chunks; i++) {
        sender.send(Buffer.alloc(STREAM_CHUNK_BYTES, i));
        Atomics.add(new Int32Array(sent), 0, 1);
      }
    },
    echo: (_: null, context: JobContext) =>
      new Promise((resolve) => {
        context.onMessage((message) => {
          if (message === 'end') resolve('ended');
          else context.post(message);
        });
        context.post('ready');
      }),
  });
