/** Starts a server program for a test and waits until its port answers. */
import { spawn, type ChildProcess } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** How long a server may take until its port answers. */
const START_TIMEOUT_MS = 20_000;
const POLL_MS = 20;
/** How much of the server's output is kept for the error message. */
const OUTPUT_LIMIT = 64 * 1024;

export interface RunningChild {
  child: ChildProcess;
  /** Everything it wrote so far, the last part of it where that is much. */
  output(): string;
  stop(): Promise<void>;
}

/** A TCP port on 127.0.0.1 that nothing listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

function answers(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });
}

/**
 * Runs `command` until stop() and resolves when `port` answers. The child dies with this process.
 * @throws Error with the server's output when it exits early or its port never answers
 */
export async function startChild(
  command: string,
  args: string[],
  port: number,
  options: { env?: Record<string, string>; cwd?: string } = {},
): Promise<RunningChild> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  let text = '';
  const keep = (data: Buffer): void => {
    text = (text + data.toString()).slice(-OUTPUT_LIMIT);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  let failed: Error | undefined;
  child.once('error', (error) => (failed = error));
  const closed = new Promise<void>((done) => {
    child.once('close', () => done());
    child.once('error', () => done());
  });
  const kill = (): void => {
    child.kill('SIGKILL');
  };
  process.once('exit', kill);
  const stop = async (): Promise<void> => {
    process.removeListener('exit', kill);
    child.kill('SIGTERM');
    const timer = setTimeout(kill, 5000);
    await closed;
    clearTimeout(timer);
  };
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await answers(port))) {
    if (failed !== undefined || child.exitCode !== null || Date.now() > deadline) {
      await stop();
      throw new Error(`${command} did not start: ${failed?.message ?? text}`);
    }
    await sleep(POLL_MS);
  }
  return { child, output: () => text, stop };
}
