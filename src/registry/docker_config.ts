/**
 * Credentials as docker's and podman's command lines keep them: config.json with `auths`, `credHelpers` and
 * `credsStore` (docker/cli, cli/config/configfile), and podman's auth.json. Called by the client's side only.
 */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { CairnError, registerSecret } from '../errors/error.ts';
import type { CredentialSource } from './contract.ts';
import { askHelper } from './credential_program.ts';
import type { Credentials } from './token.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Docker Hub's server asks under its own name; its credentials are kept under that of the index. */
const HUB_HOSTS = new Set(['registry-1.docker.io', 'docker.io', 'index.docker.io']);
const HUB_KEY = 'https://index.docker.io/v1/';
/** A user name that marks the password as a refresh token (docker-credential-helpers). */
const TOKEN_USER = '<token>';
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

interface AuthEntry {
  auth?: string;
  username?: string;
  password?: string;
  identitytoken?: string;
}

interface ConfigFile {
  path: string;
  auths: Readonly<Record<string, AuthEntry>>;
  credHelpers: Readonly<Record<string, string>>;
  credsStore: string | undefined;
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Undefined: no such file. @throws CairnError USAGE when it is there and cannot be used */
function readConfig(path: string): ConfigFile | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new CairnError(`cannot read ${path}: ${code ?? String(cause)}`, { code: 'USAGE', cause });
  }
  if (text.trim() === '') return { path, auths: {}, credHelpers: {}, credsStore: undefined };
  let root: Record<string, unknown>;
  try {
    if (text.length > MAX_CONFIG_BYTES) throw new Error(`longer than ${MAX_CONFIG_BYTES} bytes`);
    root = fieldsOf(JSON.parse(text));
  } catch {
    // The parser's message may quote a password.
    throw new CairnError(`${path} is not a JSON file that can be used`, {
      code: 'USAGE',
      hint: 'correct it, or name another directory in DOCKER_CONFIG',
    });
  }
  const auths: Record<string, AuthEntry> = {};
  for (const [key, value] of Object.entries(fieldsOf(root['auths']))) auths[key] = fieldsOf(value);
  const credHelpers: Record<string, string> = {};
  for (const [key, value] of Object.entries(fieldsOf(root['credHelpers']))) {
    const name = textOf(value);
    if (name !== undefined) credHelpers[key] = name;
  }
  return { path, auths, credHelpers, credsStore: textOf(root['credsStore']) };
}

/** `https://registry.example.com/v1/` is kept for registry.example.com. */
function hostOfKey(key: string): string {
  return key.replace(/^https?:\/\//, '').split('/')[0] ?? key;
}

function findEntry<T>(entries: Readonly<Record<string, T>>, key: string): T | undefined {
  if (Object.hasOwn(entries, key)) return entries[key];
  const host = hostOfKey(key);
  const found = Object.keys(entries).find((candidate) => hostOfKey(candidate) === host);
  return found === undefined ? undefined : entries[found];
}

function credentialsOf(entry: AuthEntry, config: ConfigFile, key: string): Credentials | undefined {
  const token = textOf(entry.identitytoken);
  if (token !== undefined) return { identityToken: token };
  let username = textOf(entry.username);
  let password = textOf(entry.password);
  const auth = textOf(entry.auth);
  if (auth !== undefined) {
    const decoded = Buffer.from(auth, 'base64').toString('utf8');
    const colon = decoded.indexOf(':');
    if (colon <= 0) {
      throw new CairnError(`${config.path}: the auth of "${key}" is not base64 of user:password`, {
        code: 'USAGE',
        hint: 'log in again',
      });
    }
    username = decoded.slice(0, colon);
    // Some writers of this file ended the password with zero bytes; docker takes them off.
    password = decoded.slice(colon + 1).replaceAll(/^\0+|\0+$/g, '');
  }
  if (username === undefined || password === undefined) return undefined;
  return username === TOKEN_USER ? { identityToken: password } : { username, password };
}

async function lookUp(config: ConfigFile, key: string, env: Environment): Promise<Credentials | undefined> {
  const helper = findEntry(config.credHelpers, key) ?? config.credsStore;
  if (helper !== undefined) {
    const found = await askHelper(helper, key, env);
    if (found !== undefined) return found;
  }
  const entry = findEntry(config.auths, key);
  return entry === undefined ? undefined : credentialsOf(entry, config, key);
}

/** Paths of the files that may hold credentials, in the order in which they are asked. */
function configPaths(env: Environment): string[] {
  const home = textOf(env['HOME']) ?? homedir();
  const docker = join(textOf(env['DOCKER_CONFIG']) ?? join(home, '.docker'), 'config.json');
  const authFile = textOf(env['REGISTRY_AUTH_FILE']);
  const runtime = textOf(env['XDG_RUNTIME_DIR']);
  return [
    docker,
    ...(authFile === undefined ? [] : [authFile]),
    ...(runtime === undefined ? [] : [join(runtime, 'containers', 'auth.json')]),
    join(textOf(env['XDG_CONFIG_HOME']) ?? join(home, '.config'), 'containers', 'auth.json'),
  ];
}

/**
 * Credentials from docker's config.json (DOCKER_CONFIG, else ~/.docker), and for hosts that it does not know from
 * podman's auth.json. Files are read when the first credentials are asked for.
 * The promise rejects with CairnError USAGE for a file that cannot be used, UNAVAILABLE for a helper that fails.
 */
export function createDockerCredentialSource(env: Environment): CredentialSource {
  let configs: ConfigFile[] | undefined;
  return {
    async credentials(host) {
      configs ??= configPaths(env)
        .map(readConfig)
        .filter((config) => config !== undefined);
      const key = HUB_HOSTS.has(host) ? HUB_KEY : host;
      for (const config of configs) {
        const found =
          (await lookUp(config, key, env)) ??
          // podman keeps the hub under the name in references.
          (key === HUB_KEY
            ? await lookUp({ ...config, credsStore: undefined }, 'docker.io', env)
            : undefined);
        if (found === undefined) continue;
        registerSecret('password' in found ? found.password : found.identityToken);
        return found;
      }
      return undefined;
    },
  };
}
