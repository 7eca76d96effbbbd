/** Records of a cache config that anybody may have written. */
import type { Digest } from '../content/contract.ts';
import { Chains, type ChainLink, type ChainRecord, type ChainResult } from './chains.ts';
import type { CacheConfig } from './contract.ts';
import { isDigest } from './layers.ts';

/** More records than any cache has: BuildKit's largest ones have some thousands. */
const MAX_RECORDS = 200_000;
/** Links of all records together. */
const MAX_LINKS = 2_000_000;

/** Where the layers of a result are: one with all its parents, or a list. */
export type ResultPlace = { top: number } | { chain: readonly number[] };

export interface ImportedResult extends ChainResult {
  place: ResultPlace;
}

interface ParsedRecord {
  digest: Digest;
  inputs: { selector: string; link: number }[][];
  results: ImportedResult[];
}

/** What becomes of a result; undefined: it is left out. */
export type ResultMaker<Result extends ChainResult> = (result: ImportedResult) => Result | undefined;

/**
 * The records of a config. A record that is damaged, or that an input is missing of, is left out; of several
 * alternatives for an input only the damaged ones are.
 */
export function parseRecords(config: CacheConfig, warn: (message: string) => void): Chains<ImportedResult> {
  return parseRecordsAs(config, warn, (result) => result);
}

/** As {@link parseRecords}, with results of another kind. */
export function parseRecordsAs<Result extends ChainResult>(
  config: CacheConfig,
  warn: (message: string) => void,
  make: ResultMaker<Result>,
): Chains<Result> {
  const chains = new Chains<Result>({ keepLoops: true });
  const list: unknown = config.records ?? [];
  if (!Array.isArray(list) || list.length > MAX_RECORDS) {
    warn(Array.isArray(list) ? `more than ${MAX_RECORDS} records` : 'the records are not a list');
    return chains;
  }
  let links = 0;
  const parsed = list.map((record: unknown) => {
    const result = parseRecord(record);
    links += result?.inputs.reduce((sum, { length }) => sum + length, 0) ?? 0;
    return result;
  });
  const damaged = [...parsed.keys()].filter((index) => parsed[index] === undefined);
  if (damaged.length > 0) warn(`${several('record', damaged)} damaged`);
  if (links > MAX_LINKS) {
    warn(`more than ${MAX_LINKS} links between records`);
    return chains;
  }
  addReachable(parsed, chains, make, warn);
  return chains;
}

/**
 * Adds the records that can be reached from roots, as soon as each input has one alternative; links that were
 * not there yet then follow. So a loop costs nothing but the records that only it leads to.
 */
function addReachable<Result extends ChainResult>(
  parsed: readonly (ParsedRecord | undefined)[],
  chains: Chains<Result>,
  make: ResultMaker<Result>,
  warn: (message: string) => void,
): void {
  const consumers = new Map<number, { record: number; input: number }[]>();
  const missing = new Map<number, Set<number>>();
  const ready: number[] = [];
  parsed.forEach((record, index) => {
    if (record === undefined) return;
    if (record.inputs.length === 0) ready.push(index);
    missing.set(index, new Set(record.inputs.keys()));
    record.inputs.forEach((alternatives, input) => {
      for (const { link } of alternatives) {
        const list = consumers.get(link) ?? [];
        consumers.set(link, list);
        list.push({ record: index, input });
      }
    });
  });
  const added = new Map<number, ChainRecord<Result>>();
  for (const index of ready) {
    const record = parsed[index];
    if (record === undefined) continue;
    added.set(
      index,
      chains.add(
        record.digest,
        record.inputs.map((links) => known(links, added)),
        record.results.map(make).filter((result) => result !== undefined),
      ),
    );
    for (const { record: consumer, input } of consumers.get(index) ?? []) {
      const inputs = missing.get(consumer);
      if (inputs?.delete(input) === true && inputs.size === 0) ready.push(consumer);
    }
  }
  for (const [index, record] of added) {
    parsed[index]?.inputs.forEach((links, input) => {
      for (const { from, selector } of known(links, added)) chains.link(from, record, input, selector);
    });
  }
  const lost = [...missing.keys()].filter((index) => !added.has(index));
  if (lost.length > 0) {
    warn(`${several('record', lost)} out of reach: inputs are damaged, missing or in a loop`);
  }
}

/** `record 3 is`, `17 records (the first is 3) are`. */
function several(what: string, [first, ...others]: number[]): string {
  return others.length === 0
    ? `${what} ${first} is`
    : `${others.length + 1} ${what}s (the first is ${first}) are`;
}

function known<Result extends ChainResult>(
  links: readonly { selector: string; link: number }[],
  added: ReadonlyMap<number, ChainRecord<Result>>,
): ChainLink<Result>[] {
  return links.flatMap(({ selector, link }) => {
    const from = added.get(link);
    return from === undefined ? [] : [{ from, selector }];
  });
}

function parseRecord(record: unknown): ParsedRecord | undefined {
  if (!isObject(record) || !isDigest(record['digest'])) return undefined;
  const inputs = parseInputs(record['inputs'] ?? []);
  if (inputs === undefined) return undefined;
  return { digest: record['digest'], inputs, results: parseResults(record) };
}

function parseInputs(inputs: unknown): ParsedRecord['inputs'] | undefined {
  if (!Array.isArray(inputs)) return undefined;
  const parsed = inputs.map((alternatives: unknown) =>
    (Array.isArray(alternatives) ? alternatives : []).flatMap((input: unknown) => {
      if (!isObject(input) || !isIndex(input['link'])) return [];
      const selector = input['selector'] ?? '';
      return typeof selector === 'string' ? [{ selector, link: input['link'] }] : [];
    }),
  );
  return parsed.some((alternatives) => alternatives.length === 0) ? undefined : parsed;
}

/** Results that cannot be read are left out: the record still leads on to others. */
function parseResults(record: { [key: string]: unknown }): ImportedResult[] {
  const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
  const results: ImportedResult[] = [];
  for (const result of list(record['layers'])) {
    if (!isObject(result) || !isIndex(result['layer'])) continue;
    const top = result['layer'];
    results.push({ id: String(top), createdAt: parseTime(result['createdAt']), place: { top } });
  }
  for (const result of list(record['chains'])) {
    const chain = isObject(result) ? list(result['layers']) : [];
    if (!isObject(result) || chain.length === 0 || !chain.every(isIndex)) continue;
    results.push({
      id: `chain ${chain.join(',')}`,
      createdAt: parseTime(result['createdAt']),
      place: { chain },
    });
  }
  return results;
}

/** BuildKit's inline caches have no times: Go's zero time then, or nothing. */
function parseTime(text: unknown): Date {
  const time = new Date(typeof text === 'string' ? text : NaN);
  return Number.isNaN(time.getTime()) ? new Date(0) : time;
}

function isObject(value: unknown): value is { [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isIndex(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
