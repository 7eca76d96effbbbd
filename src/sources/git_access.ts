/** Credentials and agents for one git remote. */
import { rm, writeFile } from 'node:fs/promises';
import { CairnError } from '../errors/error.ts';
import type { GitAccess } from './git_command.ts';
import type { GitOptions } from './git_remote.ts';
import type { SourceServices } from './services.ts';

/** GitHub's own action gives a token to all repositories of the host, and so do BuildKit and we. */
const WHOLE_HOSTS = ['https://github.com/', 'https://www.github.com/'];

/** Host with port of a URL; empty for an scp-style address. */
function hostOf(remote: string): string {
  return URL.canParse(remote) ? new URL(remote).host : '';
}

async function authorization(
  options: GitOptions,
  client: SourceServices['client'],
): Promise<GitAccess['authorization']> {
  const { remote, authHeaderSecret, authTokenSecret } = options;
  const host = hostOf(remote);
  const names = [
    { id: `${authHeaderSecret}.${host}`, base: authHeaderSecret, token: false },
    { id: `${authTokenSecret}.${host}`, base: authTokenSecret, token: true },
    { id: authHeaderSecret, base: authHeaderSecret, token: false },
    { id: authTokenSecret, base: authTokenSecret, token: true },
  ];
  for (const { id, base, token } of names) {
    if (base === '') continue;
    const secret = await client.secret(id);
    if (secret === undefined) continue;
    const text = Buffer.from(secret).toString();
    const value = token ? `basic ${Buffer.from(`x-access-token:${text}`).toString('base64')}` : text;
    return { scope: WHOLE_HOSTS.find((prefix) => remote.startsWith(prefix)) ?? remote, value };
  }
  return undefined;
}

/**
 * Runs `use` with what the remote needs; files made for it are gone afterwards.
 * @throws CairnError DENIED when the agent that the source wants is not offered
 */
export async function withGitAccess<T>(
  options: GitOptions,
  services: SourceServices,
  use: (access: GitAccess) => Promise<T>,
): Promise<T> {
  const access: GitAccess = {};
  const header = await authorization(options, services.client);
  if (header !== undefined) access.authorization = header;
  if (options.sshId !== '') {
    const socket = await services.client.sshSocket(options.sshId);
    if (socket === undefined) {
      throw new CairnError(`no SSH key "${options.sshId}" forwarded from the client`, {
        code: 'DENIED',
        hint: `offer one with --ssh ${options.sshId}`,
      });
    }
    access.sshSocket = socket;
  }
  if (options.knownHosts === '') return use(access);
  const file = services.store.tempPath('.known_hosts');
  await writeFile(file, options.knownHosts, { mode: 0o600 });
  try {
    return await use({ ...access, knownHostsFile: file });
  } finally {
    await rm(file, { force: true });
  }
}
