/** The thread's side of the job pool: receives jobs by name, runs them, answers. */
import { parentPort, type MessagePort, type Transferable } from 'node:worker_threads';
import { CairnError } from '../errors/error.ts';
import type { Job, JobContext, JobMap } from './contract.ts';
import { encodeError, type FromWorker, type ToWorker } from './worker_protocol.ts';

interface Running {
  controller: AbortController;
  handlers: ((message: unknown) => void)[];
  /** Messages that came before the job had a handler. */
  waiting: unknown[];
}

/** At most this many messages wait for a job that has not called onMessage(). */
const MAX_WAITING_MESSAGES = 1024;

/**
 * Serves jobs until the pool closes the thread. Called once, by the worker's entry module.
 * @throws Error on the main thread
 */
export function serveJobs(jobs: JobMap): void {
  const port = parentPort;
  if (port === null) throw new Error('serveJobs() belongs in a worker thread');
  const running = new Map<number, Running>();
  port.on('message', (message: ToWorker) => {
    if (message.kind === 'run') {
      void runJob(port, jobs, running, message);
      return;
    }
    // Of a thread, this ends the thread.
    if (message.kind === 'close') process.exit();
    const job = running.get(message.id);
    if (job === undefined) return;
    if (message.kind === 'cancel') job.controller.abort(canceled());
    else if (job.handlers.length > 0) for (const handler of job.handlers) handler(message.message);
    else if (job.waiting.length < MAX_WAITING_MESSAGES) job.waiting.push(message.message);
  });
}

async function runJob(
  port: MessagePort,
  jobs: JobMap,
  running: Map<number, Running>,
  { id, name, args, canceled: flag }: Extract<ToWorker, { kind: 'run' }>,
): Promise<void> {
  const send = (message: FromWorker, transfer?: readonly Transferable[]) =>
    port.postMessage(message, transfer);
  const entry: Running = { controller: new AbortController(), handlers: [], waiting: [] };
  running.set(id, entry);
  try {
    const job = jobs[name] as Job<unknown, unknown> | undefined;
    if (job === undefined) throw new Error(`no job is called ${name}`);
    const context: JobContext = {
      signal: pollableSignal(entry.controller, new Int32Array(flag)),
      post: (message, transfer) => send({ kind: 'message', id, message }, transfer),
      onMessage(handler) {
        entry.handlers.push(handler);
        for (const message of entry.waiting.splice(0)) handler(message);
      },
    };
    send({ kind: 'done', id, result: await job(args, context) });
  } catch (error) {
    send({ kind: 'failed', id, error: encodeError(error) });
  } finally {
    running.delete(id);
  }
}

/** A signal whose `aborted` also looks at the shared flag: events do not reach a synchronous job. */
function pollableSignal(controller: AbortController, flag: Int32Array): AbortSignal {
  const { signal } = controller;
  const inherited = () => Reflect.get(AbortSignal.prototype, 'aborted', signal) as boolean;
  Object.defineProperty(signal, 'aborted', {
    get() {
      if (!inherited() && Atomics.load(flag, 0) !== 0) controller.abort(canceled());
      return inherited();
    },
  });
  return signal;
}

function canceled(): CairnError {
  return new CairnError('canceled', { code: 'CANCELED' });
}
