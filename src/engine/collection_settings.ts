/**
 * What the configuration file says of the automatic collection: the keys of `[worker.oci]` that are about it (BuildKit
 * cmd/buildkitd/config, v0.32.2). The worker's other keys are left alone.
 */
import type { DiskSpace, GcSettings, GivenRule } from '../cache/policy.ts';
import { parseUsageFilters } from '../cache/usage_filter.ts';
import { CairnError, messageOf } from '../errors/error.ts';
import { parseDuration, parseRamBytes } from '../frontend/dockerfile/text/numbers.ts';
import {
  isConfigTable,
  wrongConfigValue,
  type ConfigFile,
  type ConfigTable,
} from '../platform/config_file.ts';

const RULE_KEYS = [
  'all',
  'filters',
  'keepDuration',
  'reservedSpace',
  'maxUsedSpace',
  'minFreeSpace',
  'keepBytes',
];

/** @throws CairnError USAGE for a value that cannot be used, naming file and key */
export function collectionSettings({ path, root }: ConfigFile): GcSettings {
  const workers = new Keys(path, '', root).table('worker');
  const worker = workers?.table('oci');
  if (worker === undefined) return {};
  const enabled = worker.flag('gc');
  const sizes = spaces(worker);
  const kept = worker.space('gckeepstorage');
  const rules = worker.tables('gcpolicy').map(rule);
  return {
    ...(enabled === undefined ? {} : { enabled }),
    ...(Object.keys(sizes).length === 0 && kept !== undefined ? { reservedSpace: kept } : sizes),
    ...(rules.length === 0 ? {} : { rules }),
  };
}

function rule(keys: Keys): GivenRule {
  // With a limit misspelled, a rule would delete everything.
  keys.refuseOthers(RULE_KEYS);
  const sizes = spaces(keys);
  const kept = keys.space('keepBytes');
  const keepDuration = keys.duration('keepDuration');
  return {
    filters: keys.filters('filters'),
    ...(keys.flag('all') === true ? { all: true } : {}),
    ...(keepDuration === 0 ? {} : { keepDuration }),
    ...(kept === undefined ? {} : { reservedSpace: kept }),
    ...sizes,
  };
}

function spaces(keys: Keys): Pick<GivenRule, 'reservedSpace' | 'maxUsedSpace' | 'minFreeSpace'> {
  const reservedSpace = keys.space('reservedSpace');
  const maxUsedSpace = keys.space('maxUsedSpace');
  const minFreeSpace = keys.space('minFreeSpace');
  return {
    ...(reservedSpace === undefined ? {} : { reservedSpace }),
    ...(maxUsedSpace === undefined ? {} : { maxUsedSpace }),
    ...(minFreeSpace === undefined ? {} : { minFreeSpace }),
  };
}

/** A table of the file, whose keys are found in any case, as buildkitd does. */
class Keys {
  readonly #path: string;
  readonly #name: string;
  readonly #table: ConfigTable;

  constructor(path: string, name: string, table: ConfigTable) {
    this.#path = path;
    this.#name = name;
    this.#table = table;
  }

  table(key: string): Keys | undefined {
    const value = this.#value(key);
    if (value === undefined) return undefined;
    if (!isConfigTable(value)) throw this.#wrong(key, `a table, [${this.#full(key)}]`);
    return new Keys(this.#path, this.#full(key), value);
  }

  tables(key: string): Keys[] {
    const value = this.#value(key) ?? [];
    if (!Array.isArray(value) || !value.every(isConfigTable)) {
      throw this.#wrong(key, `tables, [[${this.#full(key)}]]`);
    }
    return value.map((each) => new Keys(this.#path, this.#full(key), each));
  }

  flag(key: string): boolean | undefined {
    const value = this.#value(key);
    if (value !== undefined && typeof value !== 'boolean') throw this.#wrong(key, 'true or false');
    return value;
  }

  /** Nothing, too, for what is no limit: 0 and the empty text. */
  space(key: string): DiskSpace | undefined {
    const text = this.#text(key);
    if (text === '') return undefined;
    const percent = /^\+?(\d{1,9})%$/.exec(text)?.[1];
    if (percent !== undefined) return Number(percent) === 0 ? undefined : { percent: Number(percent) };
    const bytes = Number(parseRamBytes(text) ?? -1);
    if (bytes < 0) throw this.#wrong(key, 'a size: bytes, "10GB" or "20%"');
    return bytes === 0 ? undefined : { bytes };
  }

  /** In milliseconds. */
  duration(key: string): number {
    const text = this.#text(key);
    if (text === '') return 0;
    let milliseconds: number;
    try {
      milliseconds = /^\+?\d{1,12}$/.test(text) ? Number(text) * 1000 : Number(parseDuration(text)) / 1e6;
    } catch {
      milliseconds = -1;
    }
    if (milliseconds < 0) throw this.#wrong(key, 'a duration: seconds or "48h"');
    return milliseconds;
  }

  filters(key: string): string[] {
    const value = this.#value(key) ?? [];
    if (!Array.isArray(value) || !value.every((each) => typeof each === 'string')) {
      throw this.#wrong(key, 'a list of strings');
    }
    try {
      parseUsageFilters(value);
    } catch (cause) {
      throw new CairnError(`${this.#path}: ${this.#full(key)}: ${messageOf(cause)}`, {
        code: 'USAGE',
        cause,
      });
    }
    return value;
  }

  refuseOthers(keys: readonly string[]): void {
    const known = new Set(keys.map((key) => key.toLowerCase()));
    const other = Object.keys(this.#table).find((key) => !known.has(key.toLowerCase()));
    if (other === undefined) return;
    throw new CairnError(`${this.#path}: ${this.#name} has no key "${other}"`, {
      code: 'USAGE',
      hint: `the keys are ${keys.join(', ')}`,
    });
  }

  /** A number stands for its digits; the empty text for what is absent. */
  #text(key: string): string {
    const value = this.#value(key) ?? '';
    if (typeof value !== 'string' && typeof value !== 'number') {
      throw this.#wrong(key, 'a number or a string');
    }
    return String(value);
  }

  #value(key: string): unknown {
    if (Object.hasOwn(this.#table, key)) return this.#table[key];
    const other = Object.keys(this.#table).find((name) => name.toLowerCase() === key.toLowerCase());
    return other === undefined ? undefined : this.#table[other];
  }

  #full(key: string): string {
    return this.#name === '' ? key : `${this.#name}.${key}`;
  }

  #wrong(key: string, expected: string): CairnError {
    return wrongConfigValue(this.#path, this.#full(key), expected);
  }
}
