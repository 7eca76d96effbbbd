/** The configuration file, in buildkitd.toml's syntax: where it is, and its text as tables. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { CairnError, messageOf } from '../errors/error.ts';

type Environment = Readonly<Record<string, string | undefined>>;
export type ConfigTable = Readonly<Record<string, unknown>>;

export interface ConfigFile {
  path: string;
  root: ConfigTable;
}

const FILE_NAME = 'cairn.toml';
const SYSTEM_PATH = `/etc/cairn/${FILE_NAME}`;

/** Where the configuration is looked for: CAIRN_CONFIG alone where it is set, else the user's, then the system's. */
export function configPaths(env: Environment): string[] {
  const named = env['CAIRN_CONFIG'];
  if (named !== undefined && named !== '') return [named];
  const config = env['XDG_CONFIG_HOME'];
  const base = config === undefined || config === '' ? join(env['HOME'] ?? homedir(), '.config') : config;
  return [join(base, 'cairn', FILE_NAME), SYSTEM_PATH];
}

/**
 * The first configuration file that is there. The TOML parser is loaded only then.
 * @throws CairnError USAGE for a file that cannot be read or is no TOML, naming it
 */
export async function loadConfigFile(env: Environment): Promise<ConfigFile | undefined> {
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
    return parseConfigFile(text, path);
  }
  return undefined;
}

/** @throws CairnError USAGE for a text that is no TOML */
export async function parseConfigFile(text: string, path: string): Promise<ConfigFile> {
  const { parse } = await import('smol-toml');
  try {
    return { path, root: parse(text) };
  } catch (cause) {
    throw new CairnError(`${path}: ${messageOf(cause)}`, { code: 'USAGE', cause });
  }
}

export function isConfigTable(value: unknown): value is ConfigTable {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** The error for a value of another kind than its key has. */
export function wrongConfigValue(path: string, key: string, expected: string): CairnError {
  return new CairnError(`${path}: ${key} must be ${expected}`, { code: 'USAGE' });
}
