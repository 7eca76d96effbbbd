/** A git daemon that serves the conformance data's `fixtures/app.bundle`. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freePort, startChild } from './child.ts';

const BUNDLE = resolve(import.meta.dirname, '../conformance/fixtures/app.bundle');
/** The port that the conformance data's Dockerfiles name. */
export const GIT_PORT = 9418;

export interface GitServer {
  /** `git://127.0.0.1:port` */
  url: string;
  /** The directory that is served; `app.git` in it is the bundle's bare clone. */
  root: string;
  stop(): Promise<void>;
}

/**
 * Serves `bundle` as `<url>/app.git`; any commit may be asked for.
 * @param options.port 0 for a free one; default {@link GIT_PORT}
 */
export async function startGitDaemon(options: { port?: number; bundle?: string } = {}): Promise<GitServer> {
  const root = mkdtempSync(join(tmpdir(), 'cairn-git-'));
  const repository = join(root, 'app.git');
  execFileSync('git', ['clone', '-q', '--bare', options.bundle ?? BUNDLE, repository], { stdio: 'pipe' });
  execFileSync('git', ['-C', repository, 'config', 'uploadpack.allowAnySHA1InWant', 'true']);
  const port = options.port === 0 ? await freePort() : (options.port ?? GIT_PORT);
  const args = [
    'daemon',
    '--export-all',
    '--reuseaddr',
    '--listen=127.0.0.1',
    `--port=${port}`,
    `--base-path=${root}`,
    root,
  ];
  const server = await startChild('git', args, port, { env: { GIT_CONFIG_GLOBAL: '/dev/null' } });
  return {
    url: `git://127.0.0.1:${port}`,
    root,
    async stop() {
      await server.stop();
      rmSync(root, { recursive: true, force: true });
    },
  };
}
