/** `--filter` of `du` and `prune` as buildx writes it: `until=72h`, `type=regular`, `inuse`, `description~=curl`. */
import { CairnError } from '../errors/error.ts';
import { parseDuration } from './go_values.ts';

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
    if (second !== undefined)
      throw new CairnError(`"${key}" filter expects only one value`, { code: 'USAGE' });
    if (key === 'until' || key === 'unused-for') unusedForMs = parseDuration(first ?? '', `filter ${key}`);
    else if (first === undefined) filters.push(key);
    else if (key === 'id') filters.push(`id~=${first}`);
    else filters.push(`${key}${/[!~]$/.test(key) ? '=' : '=='}${first}`);
  }
  return { filters: filters.length === 0 ? [] : [filters.join(',')], unusedForMs };
}
