/**
 * Contract of the job pool: heavy or synchronous work in worker threads that live in a mount namespace of
 * their own, so that mounts vanish with the process, even on kill -9.
 *
 * A thread that has called unshare(2) sees its mounts only through synchronous calls and through the
 * processes that it spawns; libuv's thread pool stays outside. Jobs therefore use synchronous fs on mounted
 * paths, and child_process freely.
 */

import type { Transferable } from 'node:worker_threads';

/** `cpu`: a thread runs one job at a time. `exec`: one thread, many jobs at once that mostly wait for children. */
export type Lane = 'cpu' | 'exec';

export interface JobContext {
  /** Aborted when the caller gives up; a synchronous job polls `signal.aborted`. */
  readonly signal: AbortSignal;
  /** Sends a message to the caller's `onMessage`; structured clone, except for what is in `transfer`. */
  post(message: unknown, transfer?: readonly Transferable[]): void;
  /** Messages that the caller sends while the job runs. */
  onMessage(handler: (message: unknown) => void): void;
}

/** A function of a job module. Arguments and result are structured clones: plain data only. */
export type Job<Args, Result> = (args: Args, context: JobContext) => Result | Promise<Result>;

/** Jobs by name; each room exports its own map and engine/worker.ts joins them. */
export type JobMap = Record<string, Job<never, unknown>>;

export interface JobPool {
  /**
   * Runs a job to its end. A job that has begun is told of an abort and waited for, so that nothing of it is
   * left when the promise rejects.
   * @throws the job's error, rebuilt: CairnError code, hint and message, `errno`-style fields, and the other
   *   plain own properties (`exitCode`); CANCELED when the signal fires.
   */
  run<Args, Result>(
    name: string,
    args: Args,
    options?: {
      lane?: Lane;
      signal?: AbortSignal;
      onMessage?: (message: unknown, reply: (m: unknown) => void) => void;
    },
  ): Promise<Result>;
  close(): Promise<void>;
}
