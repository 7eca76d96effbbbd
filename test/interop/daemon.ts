/** Daemons of the tests, which end with them, and commands that talk to these. */
import { spawn, spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 10_000;
const POLL_MS = 50;
/** How much of a daemon's log is kept for error messages, in characters. */
const LOG_LIMIT = 100_000;
const LOG_SHOWN = 5000;

export interface Daemon {
  /** The last part of it. */
  log(): string;
  /** Ends it and waits for that. */
  stop(): Promise<void>;
}

/** Whether the command succeeds. */
export function runs(program: string, ...args: string[]): boolean {
  return spawnSync(program, args).status === 0;
}

/**
 * Starts `program` and waits until `ready` is true.
 * @throws Error with its log when it ends or is not ready in time
 */
export async function startDaemon(
  program: string,
  args: string[],
  options: { env?: Record<string, string>; ready: () => boolean },
): Promise<Daemon> {
  const child = spawn(program, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...options.env, OTEL_TRACES_EXPORTER: 'none' },
  });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-LOG_LIMIT)));
  const ended = new Promise<void>((done) => child.once('close', () => done()));
  const kill = (): boolean => child.kill('SIGKILL');
  process.once('exit', kill);
  const stop = async (): Promise<void> => {
    process.removeListener('exit', kill);
    child.kill('SIGTERM');
    const timer = setTimeout(kill, STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
  };
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!options.ready()) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop();
      throw new Error(`${program} did not start: ${log}`);
    }
    await sleep(POLL_MS);
  }
  return { log: () => log.slice(-LOG_SHOWN), stop };
}

/**
 * Runs a command to its end.
 * @returns what it wrote to its error output, where progress goes
 * @throws Error with its output when it fails
 */
export async function run(
  program: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<string> {
  const child = spawn(program, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
  });
  let output = '';
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number>((done) => child.once('close', (exit) => done(exit ?? 128)));
  if (code === 0) return output;
  throw new Error(`${program} ${args.join(' ')} exited with ${code}: ${output.slice(-LOG_SHOWN)}`);
}
