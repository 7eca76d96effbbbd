/** Filters of `du` and `prune` (containerd pkg/filters as BuildKit's cache manager uses it, v0.32.2). */
import { CairnError } from '../errors/error.ts';
import type { SnapshotUsage } from '../snapshots/contract.ts';

export type UsageFilter = (usage: SnapshotUsage) => boolean;

interface Selector {
  field: string;
  operator: '' | '==' | '!=' | '~=';
  value: string;
}

/** Longest filter that is parsed, in characters. */
const MAX_FILTER = 4096;

/**
 * A usage matches when it matches any of the filters, or when there are none. A filter is a list of
 * `field`, `field==value`, `field!=value` and `field~=pattern`, all of which must hold.
 *
 * @throws CairnError USAGE
 */
export function parseUsageFilters(filters: readonly string[]): UsageFilter {
  const parsed = filters.map(parseFilter);
  return (usage) =>
    parsed.length === 0 || parsed.some((selectors) => selectors.every((each) => matches(each, usage)));
}

function parseFilter(text: string): Selector[] {
  if (text.length > MAX_FILTER) {
    throw new CairnError(`a filter is longer than ${MAX_FILTER} characters`, { code: 'USAGE' });
  }
  const selectors: Selector[] = [];
  const part = /([a-z]+)(?:(==|!=|~=)("(?:[^"\\]|\\.)*"|[^,"]*))?(,|$)/y;
  while (part.lastIndex < text.length) {
    const match = part.exec(text);
    if (match === null) {
      throw new CairnError(
        `filter ${JSON.stringify(text)} is not of the form field, field==value, field!=value or field~=pattern`,
        {
          code: 'USAGE',
          hint: 'fields are id, parents, description, inuse, mutable, immutable, type, shared and private',
        },
      );
    }
    const [, field = '', operator = '', value = ''] = match;
    selectors.push({ field, operator: operator as Selector['operator'], value: unquote(value) });
  }
  for (const { operator, value } of selectors) if (operator === '~=') pattern(value);
  return selectors;
}

function unquote(value: string): string {
  return value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value;
}

function pattern(value: string): RegExp {
  try {
    return new RegExp(value);
  } catch (cause) {
    throw new CairnError(`${JSON.stringify(value)} is not a regular expression`, { code: 'USAGE', cause });
  }
}

function matches({ field, operator, value }: Selector, usage: SnapshotUsage): boolean {
  const actual = fieldOf(usage, field);
  switch (operator) {
    case '':
      return actual !== undefined;
    case '==':
      return actual === value;
    case '!=':
      return (actual ?? '') !== value;
    case '~=':
      return pattern(value).test(actual ?? '');
  }
}

/** Undefined: not present. Fields that are only present or not have the empty value. */
function fieldOf(usage: SnapshotUsage, field: string): string | undefined {
  const flag = (set: boolean): string | undefined => (set ? '' : undefined);
  const text = (value: string): string | undefined => (value === '' ? undefined : value);
  switch (field) {
    case 'id':
      return text(usage.id);
    case 'parents':
      return text(usage.parents.join(';'));
    case 'description':
      return text(usage.description);
    case 'type':
      return text(usage.type);
    case 'inuse':
      return flag(usage.inUse);
    case 'mutable':
      return flag(usage.mutable);
    case 'immutable':
      return flag(!usage.mutable);
    case 'shared':
      return flag(usage.shared);
    case 'private':
      return flag(!usage.shared);
    default:
      return undefined;
  }
}
