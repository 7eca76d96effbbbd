/** The programs that are measured: cairn, and BuildKit where `buildkitd` and `docker-buildx` are in PATH. */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface Tool {
  name: string;
  /** Forgets everything: an empty store, and for BuildKit a fresh daemon. */
  reset(): Promise<void>;
  /** Builds and pushes; throws with the output when it fails. @returns seconds and peak memory in MiB */
  build(directory: string, image: string): Promise<Sample>;
  stop(): Promise<void>;
}

const root = join(import.meta.dirname, '../..');

interface Sample {
  seconds: number;
  memoryMiB: number;
}

/** Not spawnSync(): the registry's log is a pipe into this process, and must be read while the program runs. */
async function timed(command: string, args: string[], env: NodeJS.ProcessEnv): Promise<Sample> {
  const started = process.hrtime.bigint();
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  const { promise: ended, resolve } = Promise.withResolvers<number | null>();
  let seconds = Number.NaN;
  child.once('exit', () => (seconds = Number(process.hrtime.bigint() - started) / 1e9));
  child.once('close', resolve);
  if ((await ended) !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${output}`);
  const peak = /^peak (\d+)$/m.exec(output)?.[1];
  return { seconds, memoryMiB: peak === undefined ? Number.NaN : Number(peak) / 1024 };
}

export function cairnTool(work: string): Tool {
  const store = join(work, 'cairn-store');
  const reporter = join(import.meta.dirname, 'peak_memory.cjs');
  return {
    name: 'cairn',
    async reset() {
      rmSync(store, { recursive: true, force: true });
    },
    build: (directory, image) =>
      timed(
        process.execPath,
        [
          '--require',
          reporter,
          join(root, 'bin/cairn.js'),
          'build',
          '--progress=plain',
          '--push',
          '-t',
          image,
          directory,
        ],
        {
          ...process.env,
          CAIRN_ROOT: store,
        },
      ),
    async stop() {
      rmSync(store, { recursive: true, force: true });
    },
  };
}

function inPath(program: string): boolean {
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .some((directory) => existsSync(join(directory, program)));
}

/** Undefined where BuildKit is not installed. */
export function buildkitTool(work: string): Tool | undefined {
  if (!inPath('buildkitd') || !inPath('docker-buildx')) return undefined;
  const state = join(work, 'buildkit');
  const socket = `unix://${join(state, 'buildkitd.sock')}`;
  const env = { ...process.env, BUILDX_CONFIG: join(work, 'buildx'), BUILDX_NO_DEFAULT_ATTESTATIONS: '1' };
  let daemon: ChildProcess | undefined;
  const stop = async () => {
    if (daemon === undefined) return;
    const gone = new Promise((done) => daemon?.once('close', done));
    daemon.kill('SIGTERM');
    await gone;
    daemon = undefined;
    rmSync(state, { recursive: true, force: true });
  };
  return {
    name: 'BuildKit',
    async reset() {
      await stop();
      mkdirSync(state, { recursive: true });
      daemon = spawn(
        'buildkitd',
        ['--oci-worker=true', '--containerd-worker=false', '--root', join(state, 'root'), '--addr', socket],
        { stdio: 'ignore' },
      );
      for (let tries = 0; !existsSync(join(state, 'buildkitd.sock')); tries++) {
        if (tries > 200) throw new Error('buildkitd does not start');
        await new Promise((done) => setTimeout(done, 50));
      }
      spawnSync('docker-buildx', ['rm', 'bench'], { env });
      execFileSync('docker-buildx', ['create', '--name', 'bench', '--driver', 'remote', socket], {
        env,
        stdio: 'ignore',
      });
    },
    build: async (directory, image) => {
      const { seconds } = await timed(
        'docker-buildx',
        ['build', '--builder', 'bench', '--progress=plain', '--push', '-t', image, directory],
        env,
      );
      const status = execFileSync('grep', ['VmHWM', `/proc/${daemon?.pid}/status`], { encoding: 'utf8' });
      return { seconds, memoryMiB: Number(/(\d+) kB/.exec(status)?.[1]) / 1024 };
    },
    stop,
  };
}
