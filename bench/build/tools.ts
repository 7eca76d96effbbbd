/** The programs that are measured: cairn, and BuildKit where `buildkitd` and `docker-buildx` are in PATH. */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface Tool {
  name: string;
  /** Forgets everything: an empty store, and for BuildKit a fresh daemon. */
  reset(): Promise<void>;
  /** Builds with these arguments of `build`; throws with the output when it fails. */
  build(directory: string, args: readonly string[]): Promise<Sample>;
  stop(): Promise<void>;
}

const root = join(import.meta.dirname, '../..');

export interface Sample {
  seconds: number;
  /** User and system time of cairn, or of BuildKit's daemon, without the steps' processes. */
  cpuSeconds: number;
  memoryMiB: number;
  /** Standard output and error. */
  output: string;
}

/** Not spawnSync(): the registry's log is a pipe into this process, and must be read while the program runs. */
async function timed(
  command: string,
  args: string[],
  env: NodeJS.ProcessEnv,
): Promise<Pick<Sample, 'seconds' | 'output'>> {
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
  return { seconds, output };
}

export function cairnTool(work: string): Tool {
  const stores = freshDirectories(work, 'cairn-store');
  let store = stores();
  const reporter = join(import.meta.dirname, 'resource_usage.cjs');
  return {
    name: 'cairn',
    async reset() {
      store = stores();
    },
    async build(directory, args) {
      settle();
      const program = ['--require', reporter, join(root, 'bin/cairn.js')];
      const { seconds, output } = await timed(
        process.execPath,
        [...program, 'build', '--progress=plain', ...args, directory],
        { ...process.env, CAIRN_ROOT: store },
      );
      const [, peak, cpu] = /^peak (\d+) cpu (\d+)$/m.exec(output) ?? [];
      return { seconds, output, cpuSeconds: Number(cpu) / 1e6, memoryMiB: Number(peak) / 1024 };
    },
    async stop() {},
  };
}

/**
 * Names of directories that are not there yet. Nothing is removed before the end: for minutes after many files were
 * deleted, ext4 looks for inodes that were not free a moment ago, which makes every new file many times slower.
 */
function freshDirectories(work: string, name: string): () => string {
  let count = 0;
  return () => join(work, `${name}-${count++}`);
}

/** What the build before has left to be written would be written during this one. */
function settle(): void {
  execFileSync('sync');
}

/** User and system time of a process so far (proc(5): fields 14 and 15 of stat, in hundredths). */
function cpuSecondsOf(pid: number | undefined): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function inPath(program: string): boolean {
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .some((directory) => existsSync(join(directory, program)));
}

/** Undefined where BuildKit is not installed. */
export function buildkitTool(work: string): Tool | undefined {
  if (!inPath('buildkitd') || !inPath('docker-buildx')) return undefined;
  const states = freshDirectories(work, 'buildkit');
  let state = states();
  const env = { ...process.env, BUILDX_CONFIG: join(work, 'buildx'), BUILDX_NO_DEFAULT_ATTESTATIONS: '1' };
  let daemon: ChildProcess | undefined;
  const stop = async () => {
    if (daemon === undefined) return;
    const gone = new Promise((done) => daemon?.once('close', done));
    daemon.kill('SIGTERM');
    await gone;
    daemon = undefined;
  };
  return {
    name: 'BuildKit',
    async reset() {
      await stop();
      state = states();
      mkdirSync(state);
      const socket = `unix://${join(state, 'buildkitd.sock')}`;
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
    build: async (directory, args) => {
      settle();
      const before = cpuSecondsOf(daemon?.pid);
      const { seconds, output } = await timed(
        'docker-buildx',
        ['build', '--builder', 'bench', '--progress=plain', ...args, directory],
        env,
      );
      const status = readFileSync(`/proc/${daemon?.pid}/status`, 'utf8');
      const memoryMiB = Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
      return { seconds, output, cpuSeconds: cpuSecondsOf(daemon?.pid) - before, memoryMiB };
    },
    stop,
  };
}
