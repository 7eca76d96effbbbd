/** A real buildkitd with a state of its own, and builds on it as buildctl starts them. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** False where the tests are skipped: buildkitd and buildctl are taken from PATH. */
export const hasBuildkitd = ['buildkitd', 'buildctl'].every(
  (program) => spawnSync(program, ['--version']).status === 0,
);

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 10_000;

/** Beginnings of steps' names, sorted, FROM left out. */
export interface Steps {
  hit: string[];
  run: string[];
}

export interface Buildkitd {
  /**
   * Builds the project at `directory`.
   * @param args of `buildctl build`, as `--import-cache`
   * @throws Error with the log when the build fails
   */
  build(directory: string, args: string[]): Promise<Steps>;
  /** Forgets all that was built. */
  prune(): Promise<void>;
  stop(): Promise<void>;
}

interface Vertex {
  digest: string;
  name: string;
  cached?: boolean;
}

/** @param registry `host:port`, plain http, that stands in for docker.io */
export async function startBuildkitd(registry: string, env: Record<string, string> = {}): Promise<Buildkitd> {
  const directory = mkdtempSync(join(tmpdir(), 'cairn-buildkitd-'));
  const address = `unix://${join(directory, 'sock')}`;
  const config = join(directory, 'buildkitd.toml');
  writeFileSync(
    config,
    `[registry."docker.io"]\nmirrors = ["${registry}"]\n[registry."${registry}"]\nhttp = true\n`,
  );
  const flags = ['--config', config, '--root', join(directory, 'root'), '--addr', address];
  const worker = ['--containerd-worker=false', '--oci-worker-binary=runc', '--oci-worker-net=host'];
  const daemon = spawn('buildkitd', [...flags, ...worker], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env, OTEL_TRACES_EXPORTER: 'none' },
  });
  let log = '';
  daemon.stderr.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-100_000)));
  const ended = new Promise<void>((done) => daemon.once('close', () => done()));
  const kill = (): boolean => daemon.kill('SIGKILL');
  process.once('exit', kill);
  const stop = async (): Promise<void> => {
    process.removeListener('exit', kill);
    daemon.kill('SIGTERM');
    const timer = setTimeout(kill, STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
    rmSync(directory, { recursive: true, force: true });
  };
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (spawnSync('buildctl', ['--addr', address, 'debug', 'workers']).status !== 0) {
    if (daemon.exitCode !== null || Date.now() > deadline) {
      await stop();
      throw new Error(`buildkitd did not start: ${log}`);
    }
    await sleep(100);
  }
  const buildctl = async (args: string[]): Promise<string> => {
    const child = spawn('buildctl', ['--addr', address, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...env },
    });
    let output = '';
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const code = await new Promise<number>((done) => child.once('close', (exit) => done(exit ?? 128)));
    if (code === 0) return output;
    throw new Error(`buildctl ${args[0]} exited with ${code}: ${output.slice(-5000)}\n${log.slice(-5000)}`);
  };
  return {
    stop,
    async build(project, args) {
      const where = ['--local', `context=${project}`, '--local', `dockerfile=${project}`];
      const how = ['--frontend', 'dockerfile.v0', '--progress', 'rawjson'];
      return stepsOf(await buildctl(['build', ...how, ...where, ...args]));
    },
    async prune() {
      await buildctl(['prune', '--all']);
    },
  };
}

/** Later events tell more of a vertex than earlier ones; COPY --link has a second one. */
function stepsOf(rawjson: string): Steps {
  const vertexes = new Map<string, { name: string; cached: boolean }>();
  for (const line of rawjson.split('\n')) {
    if (!line.startsWith('{')) continue;
    const event = JSON.parse(line) as { vertexes?: Vertex[] };
    for (const { digest, name, cached = false } of event.vertexes ?? []) {
      const step = /^\[.*\d+\/\d+\] (?!FROM |LINK )(.{11})/.exec(name)?.[1];
      if (step === undefined) continue;
      vertexes.set(digest, { name: step, cached: cached || vertexes.get(digest)?.cached === true });
    }
  }
  const all = [...vertexes.values()];
  const run = new Set(all.filter(({ cached }) => !cached).map(({ name }) => name));
  const hit = new Set(all.map(({ name }) => name).filter((name) => !run.has(name)));
  return { hit: [...hit].toSorted(), run: [...run].toSorted() };
}
