/** Programs that keep credentials (docker/docker-credential-helpers, the `get` command). */
import { spawn } from 'node:child_process';
import { CairnError, registerSecret } from '../errors/error.ts';
import type { Credentials } from './token.ts';

const HELPER_TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 1024 * 1024;
/** How much of a helper's complaint is shown. */
const MAX_COMPLAINT = 500;
/** The helpers' own words, on stdout, for "I have none" (client package, errCredentialsNotFound and siblings). */
const NOT_FOUND = 'credentials not found in native keychain';
const TOKEN_USER = '<token>';

/**
 * Asks `docker-credential-<name> get` for a server's credentials.
 * Undefined: it has none. @throws CairnError USAGE when it is not installed, UNAVAILABLE when it fails
 */
export async function askHelper(
  name: string,
  server: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Credentials | undefined> {
  const program = `docker-credential-${name}`;
  if (!/^[A-Za-z0-9_.+-]+$/.test(name)) {
    throw new CairnError(`credential helper "${name}" is not a name`, { code: 'USAGE' });
  }
  const { code, stdout } = await run(program, server, env);
  if (code !== 0) {
    const complaint = stdout.trim();
    if (complaint === NOT_FOUND) return undefined;
    throw new CairnError(`${program} get ${server}: ${complaint.slice(0, MAX_COMPLAINT)} (exit ${code})`, {
      code: 'UNAVAILABLE',
      hint: `log in to ${server} again, or take the helper out of docker's config.json`,
    });
  }
  let answer: unknown;
  try {
    answer = JSON.parse(stdout);
  } catch {
    throw new CairnError(`${program} get ${server} did not answer with JSON`, { code: 'UNAVAILABLE' });
  }
  const { Username: username, Secret: secret } = (answer ?? {}) as { Username?: unknown; Secret?: unknown };
  if (typeof username !== 'string' || typeof secret !== 'string' || secret === '') return undefined;
  registerSecret(secret);
  return username === TOKEN_USER ? { identityToken: secret } : { username, password: secret };
}

function run(
  program: string,
  input: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<{ code: number; stdout: string }> {
  return new Promise((done, fail) => {
    const child = spawn(program, ['get'], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { ...env },
    });
    // spawn's own timeout outlives a program that was not found.
    const timer = setTimeout(() => child.kill(), HELPER_TIMEOUT_MS);
    const parts: Buffer[] = [];
    let size = 0;
    child.stdout.on('data', (part: Buffer) => {
      size += part.length;
      if (size > MAX_OUTPUT_BYTES) child.kill();
      else parts.push(part);
    });
    child.once('error', (cause: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      fail(
        cause.code === 'ENOENT'
          ? new CairnError(`credential helper ${program} is not in PATH`, {
              code: 'USAGE',
              hint: "install it, or take it out of docker's config.json",
              cause,
            })
          : new CairnError(`cannot start ${program}: ${cause.message}`, { code: 'UNAVAILABLE', cause }),
      );
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      if (signal === null) {
        done({ code: code ?? 0, stdout: Buffer.concat(parts).toString('utf8') });
      } else {
        fail(new CairnError(`${program} was ended by ${signal}`, { code: 'UNAVAILABLE' }));
      }
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(`${input}\n`);
  });
}
