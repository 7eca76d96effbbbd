/** Runs the program as a user does, with a store and configuration of its own. */
import { spawn, spawnSync } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StepReport } from '../../src/engine/contract.ts';

const LAUNCHER = join(import.meta.dirname, '../../bin/cairn.js');

/** Whoever runs the program. */
export interface Account {
  uid: number;
  gid: number;
  home: string;
  /** What starts cairn as this user, without its arguments. */
  command: string[];
}

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

export interface Cairn {
  /** A scratch directory, the store in it as `store`. */
  directory: string;
  store: string;
  /** A new directory with these files. */
  project(files: Record<string, string>): string;
  /** Runs `cairn ARGS…` to its end. */
  run(
    args: string[],
    options?: { env?: Record<string, string>; stdin?: string | Uint8Array; cwd?: string },
  ): Promise<Outcome>;
  /** Builds and gives the report of each step; throws with the output when it fails. */
  build(args: string[], options?: { env?: Record<string, string> }): Promise<StepReport[]>;
  /** Starts it without waiting. */
  start(args: string[]): ReturnType<typeof spawn>;
  /** Begins with a new store. */
  removeStore(): void;
  /** Removes everything. */
  remove(): void;
}

/**
 * @param registry `host:port` that stands in for docker.io and the example registries
 * @param account default: who runs the tests
 */
export function useCairn(registry?: string, account?: Account): Cairn {
  const directory = mkdtempSync(join(tmpdir(), 'cairn-test-'));
  if (account !== undefined) chownSync(directory, account.uid, account.gid);
  const [program = '', ...first] = account?.command ?? [process.execPath, LAUNCHER];
  const store = join(directory, 'store');
  const config = join(directory, 'cairn.toml');
  const mirrored = ['docker.io', 'gcr.example.com', 'mcr.example.com'];
  writeFileSync(
    config,
    registry === undefined
      ? ''
      : mirrored.map((host) => `[registry."${host}"]\nmirrors = ["${registry}"]\n`).join(''),
  );
  const env = {
    ...process.env,
    ...(account === undefined ? { CAIRN_ROOT: store } : { HOME: account.home, XDG_DATA_HOME: directory }),
    CAIRN_CONFIG: config,
    NO_COLOR: '1',
  };
  const start = (args: string[], more: Record<string, string> = {}, cwd = directory) =>
    spawn(program, [...first, ...args], {
      cwd,
      env: { ...env, ...more },
      stdio: ['pipe', 'pipe', 'pipe'],
    });

  const run: Cairn['run'] = async (args, options = {}) => {
    const child = start(args, options.env, options.cwd);
    const output = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString('utf8')));
    child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString('utf8')));
    child.stdin.on('error', () => {});
    child.stdin.end(options.stdin ?? '');
    const code = await new Promise<number>((done) => child.once('close', (exit) => done(exit ?? 128)));
    return { code, ...output };
  };
  let projects = 0;
  return {
    directory,
    store,
    project(files) {
      const path = join(directory, `p${projects++}`);
      mkdirSync(path);
      for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content);
      return path;
    },
    run,
    async build(args, options) {
      const report = join(directory, 'report.json');
      const outcome = await run(['build', '--progress=plain', '--cache-report', report, ...args], options);
      if (outcome.code !== 0)
        throw new Error(`cairn build ${args.join(' ')} exited with ${outcome.code}:\n${outcome.stderr}`);
      const { readFileSync } = await import('node:fs');
      return (JSON.parse(readFileSync(report, 'utf8')) as { steps: StepReport[] }).steps;
    },
    start: (args) => start(args),
    removeStore: () => removeAll(store),
    remove: () => removeAll(directory),
  };
}

/** Steps that ran, without sources and internals; names as progress prints them. */
export function stepsRun(steps: StepReport[]): string[] {
  return steps.filter((step) => step.status === 'run' && isStep(step)).map((step) => step.name);
}

/** Steps that were found in a cache. */
export function stepsHit(steps: StepReport[]): string[] {
  return steps.filter((step) => step.status === 'hit' && isStep(step)).map((step) => step.name);
}

function isStep({ name }: StepReport): boolean {
  return /\] (?:ONBUILD )?(RUN|COPY|ADD|WORKDIR) /.test(name) || /^(RUN|COPY|ADD|WORKDIR) /.test(name);
}

/** Also files of an ordinary user's subordinate ids, which only root of a user namespace may remove. */
function removeAll(directory: string): void {
  try {
    rmSync(directory, { recursive: true, force: true });
  } catch (error) {
    const { status } = spawnSync('unshare', ['--map-root-user', '--map-auto', '--', 'rm', '-rf', directory]);
    if (status !== 0) throw error;
  }
}
