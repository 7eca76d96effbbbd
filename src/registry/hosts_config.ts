/**
 * The configuration file's `[registry."host"]` tables (BuildKit v0.32.2, util/resolver/config and
 * docs/buildkitd.toml.md).
 */
import { readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { CairnError } from '../errors/error.ts';
import {
  isConfigTable,
  wrongConfigValue,
  type ConfigFile,
  type ConfigTable,
} from '../platform/config_file.ts';
import type { RegistryHostConfig } from './contract.ts';
import type { RegistryHosts } from './endpoints.ts';

const KEYS = ['mirrors', 'http', 'insecure', 'ca', 'keypair', 'tlsconfigdir'];

/**
 * The hosts that the file has tables for; relative paths in it are relative to its directory.
 * @throws CairnError USAGE for a value that cannot be used, naming file and key
 */
export function registryHosts({ path, root }: ConfigFile): RegistryHosts {
  const hosts = new Map<string, RegistryHostConfig>();
  const registry = root['registry'];
  if (registry === undefined) return hosts;
  if (!isConfigTable(registry)) {
    throw wrongConfigValue(path, 'registry', 'a table for each host, [registry."docker.io"]');
  }
  for (const [host, table] of Object.entries(registry)) {
    const key = `registry."${host}"`;
    if (!isConfigTable(table)) throw wrongConfigValue(path, key, 'a table');
    hosts.set(host, hostConfig(table, path, key));
  }
  return hosts;
}

function hostConfig(table: ConfigTable, path: string, key: string): RegistryHostConfig {
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
      throw wrongConfigValue(path, `${key}.${name}`, 'a list of strings');
    }
    return value;
  };
  const flag = (name: 'http' | 'insecure'): { http?: boolean; insecure?: boolean } => {
    const value = table[name];
    if (value === undefined) return {};
    if (typeof value !== 'boolean') throw wrongConfigValue(path, `${key}.${name}`, 'true or false');
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
    const { key: file, cert } = isConfigTable(entry) ? entry : {};
    if (typeof file !== 'string' || typeof cert !== 'string') {
      throw wrongConfigValue(path, `${key}.keypair`, 'tables with key and cert, [[registry."host".keypair]]');
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
