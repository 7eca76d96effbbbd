/** Worker entry of the pool's own tests. */
import { CairnError } from '../errors/error.ts';
import type { JobContext } from './contract.ts';
import { serveJobs } from './worker-thread.ts';

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
  echo: (_: null, context: JobContext) =>
    new Promise((resolve) => {
      context.onMessage((message) => {
        if (message === 'end') resolve('ended');
        else context.post(message);
      });
      context.post('ready');
    }),
});
