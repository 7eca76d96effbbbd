/** Running the git program: isolated from the machine's configuration, with credentials in no argument. */
import { spawn } from 'node:child_process';
import { CairnError, redact, registerSecret } from '../errors/error.ts';
import type { SourceContext } from './contract.ts';

/** What the program needs to reach a remote. */
export interface GitAccess {
  /** Value of an Authorization header, and the URLs that it is for. */
  authorization?: { scope: string; value: string };
  sshSocket?: string;
  knownHostsFile?: string;
}

export interface GitPlace {
  gitDir?: string;
  workTree?: string;
  /** Default: the work tree. */
  cwd?: string;
}

/** git's own output that is kept for answers; listings of references can be long. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
const MAX_ERROR_TEXT = 8 * 1024;
/** After SIGTERM, before SIGKILL. */
const KILL_DELAY_MS = 10_000;

const PROXY_VARIABLES = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'ALL_PROXY'].flatMap((name) => [
  name,
  name.toLowerCase(),
]);

function environment(access: GitAccess): Record<string, string> {
  const env: Record<string, string> = {
    PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
    GIT_TERMINAL_PROMPT: '0',
    GIT_SSH_COMMAND:
      access.knownHostsFile === undefined
        ? 'ssh -F /dev/null -o StrictHostKeyChecking=no'
        : `ssh -F /dev/null -o UserKnownHostsFile=${access.knownHostsFile}`,
    LC_ALL: 'C',
    HOME: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
  };
  for (const name of PROXY_VARIABLES) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  if (access.sshSocket !== undefined) env['SSH_AUTH_SOCK'] = access.sshSocket;
  if (access.authorization !== undefined) {
    // In the environment and not in -c, which everybody on the machine could read.
    const { scope, value } = access.authorization;
    registerSecret(value);
    env['GIT_CONFIG_COUNT'] = '1';
    env['GIT_CONFIG_KEY_0'] = `http.${scope}.extraheader`;
    env['GIT_CONFIG_VALUE_0'] = `Authorization: ${value}`;
  }
  return env;
}

/** A git program that failed; `stderr` tells why. */
export class GitError extends CairnError {
  readonly stderr: string;

  constructor(stderr: string, status: string) {
    const text = redact(stderr.slice(-MAX_ERROR_TEXT));
    super(`git stderr:\n${text}: ${status}`, { code: 'SOLVE' });
    this.name = 'GitError';
    this.stderr = text;
  }
}

export class Git {
  readonly #access: GitAccess;
  readonly #place: GitPlace;
  readonly #context: SourceContext;

  constructor(access: GitAccess, place: GitPlace, context: SourceContext) {
    this.#access = access;
    this.#place = place;
    this.#context = context;
  }

  /** The same access at another place. */
  at(place: GitPlace): Git {
    return new Git(this.#access, place, this.#context);
  }

  /**
   * Runs `git` with `args` and resolves with its output. Where a server cannot do shallow fetches, or does not give
   * out single commits, the command is repeated without asking for that.
   * @throws GitError; CairnError USAGE when git is not installed, CANCELED
   */
  async run(...args: string[]): Promise<string> {
    let current = args;
    for (;;) {
      try {
        return await this.#once(current);
      } catch (error) {
        const simpler = error instanceof GitError ? simplified(current, error.stderr) : undefined;
        if (simpler === undefined) throw error;
        current = simpler;
      }
    }
  }

  #once(args: readonly string[]): Promise<string> {
    const { gitDir, workTree, cwd } = this.#place;
    const { signal, progress } = this.#context;
    const full = [
      // Repositories must not name places on this machine as their submodules.
      '-c',
      'protocol.file.allow=user',
      ...(workTree === undefined ? [] : ['--work-tree', workTree]),
      ...(gitDir === undefined ? [] : ['--git-dir', gitDir]),
      ...args,
    ];
    return new Promise((done, fail) => {
      if (signal.aborted) {
        fail(new CairnError('context canceled', { code: 'CANCELED', cause: signal.reason }));
        return;
      }
      // umask belongs to the whole process, so a shell sets it for the child alone.
      const child = spawn('/bin/sh', ['-c', 'umask 022 && exec git "$@"', 'git', ...full], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: environment(this.#access),
        detached: true,
        cwd: cwd ?? workTree ?? '/',
      });
      const stop = (): void => {
        kill(child.pid, 'SIGTERM');
        timer = setTimeout(() => kill(child.pid, 'SIGKILL'), KILL_DELAY_MS);
      };
      let timer: NodeJS.Timeout | undefined;
      signal.addEventListener('abort', stop, { once: true });
      const output: Buffer[] = [];
      let size = 0;
      let stderr = '';
      child.stdout.on('data', (data: Buffer) => {
        size += data.length;
        if (size > MAX_OUTPUT_BYTES) kill(child.pid, 'SIGKILL');
        else output.push(data);
        progress.log(1, Buffer.from(redact(data.toString())));
      });
      child.stderr.on('data', (data: Buffer) => {
        stderr = (stderr + data.toString()).slice(-4 * MAX_ERROR_TEXT);
        progress.log(2, Buffer.from(redact(data.toString())));
      });
      child.once('error', (cause) => {
        signal.removeEventListener('abort', stop);
        fail(new CairnError(`cannot start git: ${cause.message}`, { code: 'USAGE', cause }));
      });
      child.once('close', (code, signalName) => {
        signal.removeEventListener('abort', stop);
        clearTimeout(timer);
        if (signal.aborted) {
          fail(new CairnError('context canceled', { code: 'CANCELED', cause: signal.reason }));
        } else if (code === 127) {
          fail(
            new CairnError('git is not installed', {
              code: 'USAGE',
              hint: 'git sources need the git program in PATH',
            }),
          );
        } else if (code === 0) {
          done(Buffer.concat(output).toString());
        } else {
          fail(new GitError(stderr, code === null ? `signal: ${signalName}` : `exit status ${code}`));
        }
      });
    });
  }
}

/** The whole process group: git starts children of its own. */
function kill(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It is gone.
  }
}

/** What to try after servers' refusals (BuildKit util/gitutil/git_cli.go names the same); undefined: nothing. */
function simplified(args: readonly string[], stderr: string): string[] | undefined {
  if (/--depth|shallow/.test(stderr) && args.includes('--depth=1')) {
    return args.filter((arg) => arg !== '--depth=1');
  }
  const last = args.at(-1) ?? '';
  const refused = /not our ref|unadvertised object/.test(stderr);
  if (refused && args.length > 2 && args[0] === 'fetch' && /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/.test(last)) {
    return args.slice(0, -1);
  }
  return undefined;
}
