/** `--filter` of `du` and `prune` as buildx writes it: `until=72h`, `type=regular`, `inuse`, `description~=curl`. */
import { CairnError } from '../errors/error.ts';
import { didYouMean } from '../errors/suggest.ts';
import { parseDuration } from './go_values.ts';

const TIMES = ['until', 'unused-for'];
/** What a record has or has not. */
const FLAGS = ['inuse', 'mutable', 'immutable', 'shared', 'private'];
const TEXTS = ['id', 'parents', 'description', 'type'];
/** BuildKit's client.UsageRecordType (v0.32.2). */
const TYPES = ['regular', 'internal', 'frontend', 'source.local', 'source.git.checkout', 'exec.cachemount'];

export interface UsageFilters {
  /** In the form of cache/usage_filter.ts; at most one. */
  filters: string[];
  /** Milliseconds since the last use; 0: any. */
  unusedForMs: number;
}

/** @throws CairnError USAGE */
export function usageFilters(values: string[]): UsageFilters {
  const given = new Map<string, string[]>();
  for (const value of values) {
    const equals = value.indexOf('=');
    const key = equals === -1 ? value : value.slice(0, equals);
    const list = given.get(key) ?? [];
    if (equals !== -1) list.push(value.slice(equals + 1));
    given.set(key, list);
  }
  if (given.has('until') && given.has('unused-for')) {
    throw new CairnError('conflicting filters "until" and "unused-for"', { code: 'USAGE' });
  }
  let unusedForMs = 0;
  const filters: string[] = [];
  for (const [key, list] of given) {
    const [first, second] = list;
    checkField(key, first);
    if (second !== undefined)
      throw new CairnError(`"${key}" filter expects only one value`, { code: 'USAGE' });
    if (key === 'until' || key === 'unused-for') unusedForMs = parseDuration(first ?? '', `filter ${key}`);
    else if (first === undefined) filters.push(key);
    else if (key === 'id') filters.push(`id~=${first}`);
    else filters.push(`${key}${/[!~]$/.test(key) ? '=' : '=='}${first}`);
  }
  return { filters: filters.length === 0 ? [] : [filters.join(',')], unusedForMs };
}

/** What no record can match is a slip of the pen: BuildKit would show nothing, or remove nothing, without a word. */
function checkField(key: string, value: string | undefined): void {
  const usage = (message: string, hint: string) => new CairnError(message, { code: 'USAGE', hint });
  const field = key.replace(/[!~]$/, '');
  const fields = [...TIMES, ...FLAGS, ...TEXTS];
  if (!fields.includes(field)) {
    throw usage(
      `unknown filter ${JSON.stringify(field)}`,
      didYouMean(field, fields) ?? `filters are ${fields.join(', ')}`,
    );
  }
  if (FLAGS.includes(field) && value !== undefined) {
    throw usage(`"${field}" filter takes no value`, `write --filter ${field}`);
  }
  if (TEXTS.includes(field) && value === undefined) {
    throw usage(`"${field}" filter needs a value`, `write --filter ${field}=VALUE`);
  }
  if (key === 'type' && value !== undefined && !TYPES.includes(value)) {
    throw usage(
      `unknown type ${JSON.stringify(value)} in filter`,
      didYouMean(value, TYPES) ?? `types are ${TYPES.join(', ')}`,
    );
  }
}
