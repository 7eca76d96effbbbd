/** The main thread's side of running steps. */
import { readdirSync } from 'node:fs';
import type { JobPool } from '../platform/contract.ts';
import type { Store } from '../store/contract.ts';
import { isAlive } from '../store/owner.ts';
import { CairnError } from '../errors/error.ts';
import type { RunArgs, WarmArgs } from './container.ts';
import type { ExecSpec, Executor } from './contract.ts';
import { ExitError } from './exit_error.ts';
import type { OutputMessage, TakenMessage } from './process_output.ts';
import type { ReapArgs } from './reap.ts';
import { findRuntime, type Runtime } from './runtime.ts';

const DIRECTORY = 'executor';

export interface ExecutorOptions {
  pool: JobPool;
  store: Store;
  /** Default: {@link findRuntime}. */
  runtime?: Runtime;
  env?: Readonly<Record<string, string | undefined>>;
  /** Told once, before the first step, that steps run with fewer guards. Default: a line on stderr. */
  warn?: (message: string) => void;
}

/**
 * An executor that runs steps in the exec lane of `pool`. Nothing is looked up or started before the first step.
 * Before it, containers that killed processes left behind in this store are ended.
 * @throws CairnError NOT_FOUND from `runtime` and `run` when there is no runtime
 */
export function createExecutor(options: ExecutorOptions): Executor {
  return new PoolExecutor(options);
}

class PoolExecutor implements Executor {
  readonly #options: ExecutorOptions;
  #runtime: Runtime | undefined;
  #ready: Promise<void> | undefined;
  #warmed = false;

  constructor(options: ExecutorOptions) {
    this.#options = options;
    this.#runtime = options.runtime;
  }

  get runtime(): Runtime {
    return (this.#runtime ??= findRuntime(this.#options.env ?? process.env));
  }

  get #filters(): string {
    return this.#options.store.path('seccomp');
  }

  warm(): void {
    if (this.#warmed) return;
    this.#warmed = true;
    const start = async (): Promise<void> => {
      const args: WarmArgs = { runtime: this.runtime, filters: this.#filters };
      await this.#options.pool.run<WarmArgs, void>('exec.warm', args, { lane: 'exec' });
    };
    // What fails here fails again in run(), which tells.
    start().catch(() => {});
  }

  async run(
    spec: ExecSpec,
    io: { output(stream: 1 | 2, data: Uint8Array): void; signal: AbortSignal },
  ): Promise<void> {
    const { pool, store } = this.#options;
    await (this.#ready ??= this.#prepare());
    const args: RunArgs = {
      spec,
      runtime: this.runtime,
      directory: store.path(DIRECTORY, store.owner),
      filters: this.#filters,
    };
    try {
      await pool.run<RunArgs, void>('exec.run', args, {
        lane: 'exec',
        signal: io.signal,
        onMessage(message, reply) {
          const { stream, data } = message as OutputMessage;
          const taken: TakenMessage = { taken: data.byteLength };
          io.output(stream, data);
          reply(taken);
        },
      });
    } catch (error) {
      throw exitError(error, spec) ?? error;
    }
  }

  async #prepare(): Promise<void> {
    const { pool, store, warn = (message) => process.stderr.write(`WARNING: ${message}\n`) } = this.#options;
    if (this.runtime.name === 'unshare') {
      warn(
        'neither runc nor crun is installed: steps run by unshare, without seccomp filter, cgroups and device rules',
      );
    }
    const folder = store.path(DIRECTORY);
    const directories = dead(store, folder);
    if (directories.length === 0) return;
    const args: ReapArgs = { directories };
    await pool.run<ReapArgs, void>('exec.reap', args, { lane: 'exec' });
  }
}

/** Directories of processes that do not live any more. */
function dead(store: Store, folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((owner) => owner !== store.owner && !isAlive(store.root, owner))
      .map((owner) => store.path(DIRECTORY, owner));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** The error as the class that callers look for: only data crosses from the thread. */
function exitError(error: unknown, spec: ExecSpec): ExitError | undefined {
  if (!(error instanceof CairnError) || error.code !== 'EXEC') return undefined;
  const { exitCode, outOfMemory } = error as CairnError & { exitCode?: unknown; outOfMemory?: unknown };
  if (typeof exitCode !== 'number') return undefined;
  return new ExitError(spec.args, exitCode, outOfMemory === true);
}
