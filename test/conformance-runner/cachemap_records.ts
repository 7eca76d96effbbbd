/** Compares exported caches by what makes a record: its digest and the records and selectors that lead to it. */
import type { GoldenConfig } from './cachemap_golden.ts';
import { firstDifference } from './difference.ts';

/**
 * The first record that only one side has; undefined: the same records. Layers depend on when they were made.
 * @param varying digests of records that no two runs have in common
 */
export function compareCaches(
  expected: GoldenConfig,
  actual: GoldenConfig,
  varying: ReadonlySet<string>,
): string | undefined {
  return firstDifference(
    describe(expected, varying),
    describe(actual, varying),
    'exportedCacheConfig.records',
  );
}

/** Each record as one text, inputs by digest; sorted, and equal ones once. */
function describe({ records = [] }: GoldenConfig, varying: ReadonlySet<string>): string[] {
  const shown = (digest: string | undefined): string =>
    digest === undefined || varying.has(digest) ? 'varies' : digest;
  const lines = records.map((record) => {
    const inputs = (record.inputs ?? []).map((alternatives) =>
      alternatives.map(({ selector, link }) => `${shown(records[link]?.digest)}|${selector ?? ''}`).sort(),
    );
    const results = record.layers === undefined ? 'no result' : 'a result';
    return JSON.stringify({ digest: shown(record.digest), inputs, results });
  });
  return [...new Set(lines)].sort();
}
