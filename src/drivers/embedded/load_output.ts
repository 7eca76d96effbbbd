/** `--load`: an image into the standard input of `docker load` or `podman load`. */
import { spawn } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { CairnError } from '../../errors/error.ts';
import { callingUser } from '../../platform/rootless.ts';
import type { ProgressSink } from '../../progress/events.ts';
import { runVertex } from '../../progress/vertex.ts';
import type { OpenOutput } from './file_output.ts';

/** What is kept of the program's messages for an error. */
const MAX_ERROR_TEXT = 8 * 1024;

/**
 * The stream ends when the program has, and fails when that failed; what it prints is shown at a vertex
 * `importing to docker`, as docker buildx calls it.
 *
 * @param command empty: whichever program there is
 * @throws CairnError NOT_FOUND when there is none
 */
export function openLoadOutput(
  command: readonly string[],
  env: NodeJS.ProcessEnv,
  progress: ProgressSink,
): OpenOutput {
  const wanted = command.length > 0 ? [...command] : findLoader(env);
  const [program = ''] = wanted;
  const started = program === 'podman' ? asPodmanOf(wanted, env) : { command: wanted, env };
  const [first = '', ...args] = started.command;
  const child = spawn(first, args, { stdio: ['pipe', 'pipe', 'pipe'], env: started.env });
  let errors = '';
  const loaded = runVertex(progress, `importing to ${program}`, async (vertex) => {
    child.stdout.on('data', (chunk: Buffer) => vertex.log(1, chunk));
    child.stderr.on('data', (chunk: Buffer) => {
      vertex.log(2, chunk);
      errors = (errors + chunk.toString()).slice(-MAX_ERROR_TEXT);
    });
    const outcome = await new Promise<string | undefined>((done) => {
      child.once('error', (error) => done(error.message));
      child.once('close', (code, signal) => {
        if (code === 0) done(undefined);
        else done(`${signal ?? `exit code ${code}`}: ${errors.trim()}`);
      });
    });
    if (outcome === undefined) return;
    throw new CairnError(`${program} load failed with ${outcome}`, {
      code: 'UNAVAILABLE',
      hint: 'to write the image to a file instead: --output type=docker,dest=image.tar',
    });
  });
  loaded.catch(() => {});
  // A program that ends early tells why by its exit code; EPIPE would only hide that.
  child.stdin.on('error', () => {});
  const ended = (done: (error?: Error) => void): void => void loaded.then(() => done(), done);
  const stream = new Writable({
    write(chunk: Uint8Array, _encoding, done) {
      child.stdin.write(chunk, (error) => {
        if (error) ended(done);
        else done();
      });
    },
    final(done) {
      child.stdin.end();
      ended(done);
    },
  });
  // Whoever writes meets the error.
  stream.on('error', () => {});
  return {
    stream,
    async close(success) {
      if (!success) child.kill();
      else if (!stream.writableEnded) stream.end();
      await loaded.catch((error: unknown) => {
        if (success) throw error;
      });
    },
  };
}

/**
 * In a user namespace podman takes itself for root's, whose images are not the user's. It is told what `podman
 * unshare` tells (containers/storage, pkg/unshare), and gets the mount namespace that belongs to that.
 */
function asPodmanOf(
  command: string[],
  env: NodeJS.ProcessEnv,
): { command: string[]; env: NodeJS.ProcessEnv } {
  const uid = callingUser(env);
  if (uid === process.getuid?.()) return { command, env };
  const [, gid = ''] = /^\s*0\s+(\d+)/m.exec(readFileSync('/proc/self/gid_map', 'utf8')) ?? [];
  const outside = {
    _CONTAINERS_USERNS_CONFIGURED: 'done',
    _CONTAINERS_ROOTLESS_UID: String(uid),
    _CONTAINERS_ROOTLESS_GID: gid,
  };
  return { command: ['unshare', '--mount', '--', ...command], env: { ...env, ...outside } };
}

/** docker where its daemon may be there, else podman. */
function findLoader(env: NodeJS.ProcessEnv): string[] {
  const directories = (env['PATH'] ?? '').split(':').filter((directory) => directory !== '');
  const has = (name: string) =>
    directories.some(
      (directory) => statSync(join(directory, name), { throwIfNoEntry: false })?.isFile() === true,
    );
  const dockerSocket =
    env['DOCKER_HOST'] !== undefined ||
    statSync('/var/run/docker.sock', { throwIfNoEntry: false }) !== undefined;
  if (has('docker') && dockerSocket) return ['docker', 'load'];
  if (has('podman')) return ['podman', 'load'];
  if (has('docker')) return ['docker', 'load'];
  throw new CairnError('--load needs docker or podman, and neither is in PATH', {
    code: 'NOT_FOUND',
    hint: 'write the image to a file instead: --output type=docker,dest=image.tar',
  });
}
