/**
 * The configuration file's `[registry."host"]` tables, in buildkitd.toml's syntax (BuildKit v0.32.2,
 * util/resolver/config and docs/buildkitd.toml.md). Other tables of a buildkitd.toml are left alone.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { CairnError, messageOf } from '../errors/error.ts';
import type { RegistryHostConfig } from './contract.ts';
import type { RegistryHosts } from './endpoints.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const FILE_NAME = 'cairn.toml';
const SYSTEM_PATH = `/etc/cairn/${FILE_NAME}`;
const KEYS = ['mirrors', 'http', 'insecure', 'ca', 'keypair', 'tlsconfigdir'];

/** Where the configuration is looked for: CAIRN_CONFIG alone where it is set, else the user's, then the system's. */
export function configPaths(env: Environment): string[] {
  const named = env['CAIRN_CONFIG'];
  if (named !== undefined && named !== '') return [named];
  const config = env['XDG_CONFIG_HOME'];
  const base = config === undefined || config === '' ? join(env['HOME'] ?? homedir(), '.config') : config;
  return [join(base, 'cairn', FILE_NAME), SYSTEM_PATH];
}

/**
 * The tables of the first configuration file that is there; none: no tables. The TOML parser is loaded only then.
 * @throws CairnError USAGE for a file that cannot be read or used, naming file and key
 */
export async function loadRegistryHosts(env: Environment): Promise<RegistryHosts> {
  for (const path of configPaths(env)) {
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (cause) {
      const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
      if (missing && path !== env['CAIRN_CONFIG']) continue;
      throw new CairnError(`cannot read configuration file ${path}: ${messageOf(cause)}`, {
        code: 'USAGE',
        cause,
      });
    }
    return parseRegistryHosts(text, path);
  }
  return new Map();
}

/** Parses the text of a configuration file; relative paths in it are relative to its directory. */
export async function parseRegistryHosts(text: string, path: string): Promise<RegistryHosts> {
  const { parse } = await import('smol-toml');
  let root: Record<string, unknown>;
  try {
    root = parse(text);
  } catch (cause) {
    throw new CairnError(`${path}: ${messageOf(cause)}`, { code: 'USAGE', cause });
  }
  const hosts = new Map<string, RegistryHostConfig>();
  const registry = root['registry'];
  if (registry === undefined) return hosts;
  if (!isTable(registry)) throw wrong(path, 'registry', 'a table for each host, [registry."docker.io"]');
  for (const [host, table] of Object.entries(registry)) {
    const key = `registry."${host}"`;
    if (!isTable(table)) throw wrong(path, key, 'a table');
    hosts.set(host, hostConfig(table, path, key));
  }
  return hosts;
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function wrong(path: string, key: string, expected: string): CairnError {
  return new CairnError(`${path}: ${key} must be ${expected}`, { code: 'USAGE' });
}

function hostConfig(table: Record<string, unknown>, path: string, key: string): RegistryHostConfig {
  const unknown = Object.keys(table).find((name) => !KEYS.includes(name));
  if (unknown !== undefined) {
    throw new CairnError(`${path}: ${key} has no key "${unknown}"`, {
      code: 'USAGE',
      hint: `the keys are ${KEYS.join(', ')}`,
    });
  }
  const at = (file: string): string => resolve(dirname(path), file);
  const list = (name: string): string[] => {
    const value = table[name] ?? [];
    if (!Array.isArray(value) || !value.every((entry) => typeof entry === 'string')) {
      throw wrong(path, `${key}.${name}`, 'a list of strings');
    }
    return value;
  };
  const flag = (name: 'http' | 'insecure'): { http?: boolean; insecure?: boolean } => {
    const value = table[name];
    if (value === undefined) return {};
    if (typeof value !== 'boolean') throw wrong(path, `${key}.${name}`, 'true or false');
    return { [name]: value };
  };
  const config: RegistryHostConfig = {
    mirrors: list('mirrors'),
    ...flag('http'),
    ...flag('insecure'),
    ca: list('ca').map(at),
    keyPairs: keyPairs(table['keypair'], path, key, at),
  };
  for (const dir of list('tlsconfigdir').map(at)) addDirectory(config, dir);
  return config;
}

function keyPairs(
  value: unknown,
  path: string,
  key: string,
  at: (file: string) => string,
): { key: string; cert: string }[] {
  if (value === undefined) return [];
  const entries: unknown[] = Array.isArray(value) ? value : [value];
  return entries.map((entry) => {
    const { key: file, cert } = isTable(entry) ? entry : {};
    if (typeof file !== 'string' || typeof cert !== 'string') {
      throw wrong(path, `${key}.keypair`, 'tables with key and cert, [[registry."host".keypair]]');
    }
    return { key: at(file), cert: at(cert) };
  });
}

/** `*.crt` are roots, `*.cert` with `*.key` a pair; a directory that is not there is empty. */
function addDirectory(config: RegistryHostConfig, dir: string): void {
  let names: string[];
  try {
    names = readdirSync(dir).sort();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'EACCES') return;
    throw cause;
  }
  for (const name of names) {
    if (name.endsWith('.crt')) config.ca.push(join(dir, name));
    if (name.endsWith('.cert')) {
      config.keyPairs.push({
        cert: join(dir, name),
        key: join(dir, `${name.slice(0, -'.cert'.length)}.key`),
      });
    }
  }
}
