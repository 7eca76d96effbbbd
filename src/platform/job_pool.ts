/** The caller's side of the job pool: lanes, threads, queues, cancellation. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { CairnError } from '../errors/error.ts';
import type { JobPool, Lane } from './contract.ts';
import { decodeError, type FromWorker, type ToWorker } from './worker_protocol.ts';

interface Task {
  id: number;
  name: string;
  args: unknown;
  canceled: SharedArrayBuffer;
  onMessage: ((message: unknown, reply: (m: unknown) => void) => void) | undefined;
  settle(outcome: { result: unknown } | { error: Error }): void;
}

/** A job that has not stopped after this is stopped in the middle. */
const CLOSE_MS = 2_000;

/** One worker thread and what runs on it. It keeps the process alive only while it has something to do. */
class Thread {
  readonly tasks = new Map<number, Task>();
  readonly #worker: Worker;

  constructor(entry: URL, lane: Lane, onIdle: () => void, onGone: (thread: Thread) => void) {
    this.#worker = new Worker(entry, { stdin: false, argv: [lane] });
    this.#worker.unref();
    this.#worker.on('message', (message: FromWorker) => {
      const task = this.tasks.get(message.id);
      if (task === undefined) return;
      if (message.kind === 'message') {
        task.onMessage?.(message.message, (m) => this.send({ kind: 'message', id: task.id, message: m }));
        return;
      }
      this.#remove(task);
      task.settle(
        message.kind === 'done' ? { result: message.result } : { error: decodeError(message.error) },
      );
      onIdle();
    });
    const gone = (error: Error) => {
      onGone(this);
      for (const task of this.tasks.values()) {
        this.#remove(task);
        task.settle({ error });
      }
    };
    this.#worker.on('error', (error: unknown) => gone(new Error('a worker thread failed', { cause: error })));
    this.#worker.on('exit', (code) => gone(new Error(`a worker thread ended with code ${code}`)));
  }

  run(task: Task): void {
    if (this.tasks.size === 0) this.#worker.ref();
    this.tasks.set(task.id, task);
    try {
      this.send({ kind: 'run', id: task.id, name: task.name, args: task.args, canceled: task.canceled });
    } catch (error) {
      // Arguments that cannot be cloned.
      this.#remove(task);
      task.settle({ error: error instanceof Error ? error : new Error(String(error)) });
    }
  }

  send(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  /**
   * Asks first: a thread that is ended from outside while it loads a native module takes the process with it
   * (napi_throw fails, which is fatal).
   */
  async close(): Promise<void> {
    const ended = new Promise<void>((done) => this.#worker.once('exit', () => done()));
    this.#worker.ref();
    this.send({ kind: 'close' });
    const timer = setTimeout(() => void this.#worker.terminate(), CLOSE_MS);
    await ended;
    clearTimeout(timer);
  }

  #remove(task: Task): void {
    this.tasks.delete(task.id);
    if (this.tasks.size === 0) this.#worker.unref();
  }
}

/** A job that waits this long gets a thread of its own: to start one costs more than many a job. */
const GROW_AFTER_MS = 20;

class WorkerPool implements JobPool {
  readonly #entry: URL;
  readonly #limit: number;
  readonly #threads: Record<Lane, Set<Thread>> = { cpu: new Set(), exec: new Set() };
  readonly #queue: Task[] = [];
  #nextId = 1;
  #closed = false;
  #growing: NodeJS.Timeout | undefined;

  constructor(entry: URL, cpuThreads: number) {
    this.#entry = entry;
    this.#limit = cpuThreads;
  }

  run<Args, Result>(name: string, args: Args, options: Parameters<JobPool['run']>[2] = {}): Promise<Result> {
    const { signal, onMessage, lane = 'cpu' } = options;
    if (this.#closed) return Promise.reject(new Error('the job pool is closed'));
    if (signal?.aborted === true) return Promise.reject(canceledBy(signal));
    return new Promise<Result>((resolve, reject) => {
      const task: Task = {
        id: this.#nextId++,
        name,
        args,
        canceled: new SharedArrayBuffer(4),
        onMessage,
        settle(outcome) {
          signal?.removeEventListener('abort', onAbort);
          if (signal?.aborted === true) reject(canceledBy(signal));
          else if ('error' in outcome) reject(outcome.error);
          else resolve(outcome.result as Result);
        },
      };
      const onAbort = () => this.#cancel(task);
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#dispatch(task, lane);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#growing);
    for (const task of this.#queue.splice(0)) {
      task.settle({ error: new CairnError('canceled', { code: 'CANCELED' }) });
    }
    await Promise.all([...this.#threads.cpu, ...this.#threads.exec].map((thread) => thread.close()));
  }

  #dispatch(task: Task, lane: Lane): void {
    const threads = this.#threads[lane];
    if (lane === 'exec') {
      const [thread = this.#start(lane)] = threads;
      thread.run(task);
      return;
    }
    const idle = [...threads].find((thread) => thread.tasks.size === 0);
    if (idle !== undefined) idle.run(task);
    else if (threads.size === 0) this.#start(lane).run(task);
    else {
      this.#queue.push(task);
      if (threads.size < this.#limit) this.#growing ??= setTimeout(() => this.#grow(), GROW_AFTER_MS);
    }
  }

  /** Another thread, when after a while there is still something waiting. */
  #grow(): void {
    this.#growing = undefined;
    if (this.#closed || this.#threads.cpu.size >= this.#limit) return;
    const task = this.#queue.shift();
    if (task === undefined) return;
    this.#start('cpu').run(task);
    if (this.#queue.length > 0) this.#growing = setTimeout(() => this.#grow(), GROW_AFTER_MS);
  }

  #start(lane: Lane): Thread {
    const threads = this.#threads[lane];
    const thread = new Thread(
      this.#entry,
      lane,
      () => this.#next(),
      (ended) => {
        threads.delete(ended);
        if (!this.#closed) this.#next();
      },
    );
    threads.add(thread);
    return thread;
  }

  /** Hands the oldest waiting task to a thread that is free, or to a new one. */
  #next(): void {
    const task = this.#queue.shift();
    if (task !== undefined) this.#dispatch(task, 'cpu');
  }

  #cancel(task: Task): void {
    const waiting = this.#queue.indexOf(task);
    if (waiting !== -1) {
      this.#queue.splice(waiting, 1);
      task.settle({ error: new CairnError('canceled', { code: 'CANCELED' }) });
      return;
    }
    Atomics.store(new Int32Array(task.canceled), 0, 1);
    for (const thread of [...this.#threads.cpu, ...this.#threads.exec]) {
      if (thread.tasks.has(task.id)) thread.send({ kind: 'cancel', id: task.id });
    }
  }
}

function canceledBy(signal: AbortSignal): CairnError {
  return signal.reason instanceof CairnError && signal.reason.code === 'CANCELED'
    ? signal.reason
    : new CairnError('canceled', { code: 'CANCELED', cause: signal.reason });
}

/**
 * A pool whose threads run the module at `workerEntryUrl`, which calls serveJobs(). No thread exists before
 * the first job; `cpuThreads` of the cpu lane at most (default: the number of cores).
 */
export function createJobPool(workerEntryUrl: URL, options: { cpuThreads?: number } = {}): JobPool {
  return new WorkerPool(workerEntryUrl, Math.max(1, options.cpuThreads ?? availableParallelism()));
}
