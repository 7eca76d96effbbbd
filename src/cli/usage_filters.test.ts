import assert from 'node:assert/strict';
import { test } from 'node:test';
import { usageFilters } from './usage_filters.ts';

test('usageFilters takes the forms of buildx to those of BuildKit', () => {
  assert.deepEqual(usageFilters(['until=72h', 'type=regular', 'id=ab', 'description~=cu.l', 'shared']), {
    filters: ['type==regular,id~=ab,description~=cu.l,shared'],
    unusedForMs: 72 * 3600 * 1000,
  });
  assert.deepEqual(usageFilters(['type!=internal']).filters, ['type!=internal']);
  assert.deepEqual(usageFilters([]), { filters: [], unusedForMs: 0 });
});

test('usageFilters refuses what nothing can match', () => {
  for (const [value, message, hint] of [
    ['typ=regular', /unknown filter "typ"/, /did you mean "type"/],
    ['reclaimable', /unknown filter "reclaimable"/, /filters are until, /],
    ['type=regula', /unknown type "regula"/, /did you mean "regular"/],
    ['inuse=true', /"inuse" filter takes no value/, /--filter inuse$/],
    ['type', /"type" filter needs a value/, /type=VALUE/],
  ] as const) {
    assert.throws(
      () => usageFilters([value]),
      (error: Error & { hint?: string }) => message.test(error.message) && hint.test(error.hint ?? ''),
      value,
    );
  }
});
