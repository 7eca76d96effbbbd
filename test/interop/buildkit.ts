/** A real buildkitd from PATH, with a root of its own. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const START_TIMEOUT_MS = 30_000;
const POLL_MS = 100;

export interface BuildKit {
  /** Builds with the Dockerfile frontend. @returns steps by name: found or not */
  build(options: BuildKitBuild): Promise<{ hit: string[]; ran: string[] }>;
  /** Forgets everything that was built. */
  stop(): Promise<void>;
}

export interface BuildKitBuild {
  dockerfile: string;
  files: Record<string, string>;
  opts?: Record<string, string>;
  from?: string[];
  to?: string[];
  output?: string;
}

function find(program: string): string | undefined {
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((directory) => join(directory, program))
    .find((path) => existsSync(path));
}

/** Why there is no BuildKit to test with; false: there is one. */
export function noBuildKit(): string | false {
  const missing = ['buildkitd', 'buildctl', 'runc'].filter((program) => find(program) === undefined);
  return missing.length === 0 ? false : `not in PATH: ${missing.join(', ')}`;
}

/**
 * @param images `host:port` that stands in for docker.io
 * @param plain hosts that speak plain http
 */
export async function startBuildKit(images: string, plain: readonly string[]): Promise<BuildKit> {
  const root = mkdtempSync(join(tmpdir(), 'cairn-buildkit-'));
  const address = `unix://${join(root, 'buildkitd.sock')}`;
  const config = join(root, 'buildkitd.toml');
  writeFileSync(
    config,
    [
      `[registry."docker.io"]\nmirrors = ["${images}"]`,
      ...[images, ...plain].map((host) => `[registry."${host}"]\nhttp = true`),
    ].join('\n'),
  );
  const daemon = spawn(
    'buildkitd',
    ['--root', join(root, 'data'), '--addr', address, '--config', config, '--oci-worker-net=host'],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let log = '';
  for (const stream of [daemon.stdout, daemon.stderr])
    stream.on('data', (chunk: Buffer) => (log += chunk.toString('utf8')));
  const ended = new Promise<void>((done) => daemon.once('close', () => done()));
  const until = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      execFileSync('buildctl', ['--addr', address, 'debug', 'workers'], { stdio: 'pipe' });
      break;
    } catch (error) {
      if (Date.now() > until || daemon.exitCode !== null)
        throw new Error(`buildkitd does not answer:\n${log}`, { cause: error });
      await sleep(POLL_MS);
    }
  }
  return {
    async build({ dockerfile, files, opts = {}, from = [], to = [], output }) {
      const context = mkdtempSync(join(root, 'context-'));
      mkdirSync(context, { recursive: true });
      writeFileSync(join(context, 'Dockerfile'), dockerfile);
      for (const [name, text] of Object.entries(files)) writeFileSync(join(context, name), text);
      const args = [
        '--addr',
        address,
        'build',
        '--progress=rawjson',
        '--frontend=dockerfile.v0',
        `--local=context=${context}`,
        `--local=dockerfile=${context}`,
        ...Object.entries(opts).map(([key, value]) => `--opt=${key}=${value}`),
        ...from.map((entry) => `--import-cache=${entry}`),
        ...to.map((entry) => `--export-cache=${entry}`),
        ...(output === undefined ? [] : [`--output=${output}`]),
      ];
      const client = spawn('buildctl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
      let text = '';
      client.stderr.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
      const code = await new Promise<number>((done) => client.once('close', (exit) => done(exit ?? 1)));
      if (code !== 0) throw new Error(`buildctl ${args.join(' ')} exited with ${code}:\n${text}`);
      return stepsOf(text);
    },
    async stop() {
      daemon.kill('SIGTERM');
      await ended;
      rmSync(root, { recursive: true, force: true });
    },
  };
}

interface RawVertex {
  digest: string;
  name: string;
  cached?: boolean;
  completed?: string;
}

function stepsOf(text: string): { hit: string[]; ran: string[] } {
  const vertices = new Map<string, { name: string; cached: boolean }>();
  for (const line of text.split('\n')) {
    if (!line.startsWith('{')) continue;
    const { vertexes = [] } = JSON.parse(line) as { vertexes?: RawVertex[] };
    for (const { digest, name, cached } of vertexes) vertices.set(digest, { name, cached: cached === true });
  }
  const steps = [...vertices.values()].filter(({ name }) => /^\[[^\]]*\d+\/\d+\] (?!FROM )/.test(name));
  return {
    hit: steps.filter(({ cached }) => cached).map(({ name }) => name),
    ran: steps.filter(({ cached }) => !cached).map(({ name }) => name),
  };
}
