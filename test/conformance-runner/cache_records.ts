/** Comparing exported caches: records by all that leads to them, layers by their diffIDs. */
import { createHash } from 'node:crypto';
import type { CacheConfig } from '../../src/cache/contract.ts';
import type { LayoutCache } from './cache_layout.ts';

/** Each record, described by its digest, all that leads to it and whether it carries layers; sorted. */
export function describeCache({ config }: LayoutCache): string[] {
  const names = recordNames(config);
  return (config.records ?? [])
    .map((record, index) => {
      const carries = (record.layers ?? record.chains ?? []).length > 0 ? 'with layers' : 'no layers';
      return `${record.digest} ${names[index]} ${carries}`;
    })
    .toSorted();
}

/** The diffIDs of each record's layers, lowest first, by the name of the record. */
export function stacksOf({ config, diffIDs }: LayoutCache): Map<string, string[]> {
  const names = recordNames(config);
  const stacks = new Map<string, string[]>();
  for (const [index, { layers = [] }] of (config.records ?? []).entries()) {
    const [result] = layers;
    if (result === undefined) continue;
    const stack: string[] = [];
    for (let at = result.layer; at !== -1; at = config.layers?.[at]?.parent ?? 0)
      stack.unshift(diffIDs.get(config.layers?.[at]?.blob ?? '') ?? '');
    stacks.set(names[index] ?? '', stack);
  }
  return stacks;
}

/** A hash of the record's digest and, for each input, of the alternatives with their selectors. */
function recordNames({ records = [] }: CacheConfig): string[] {
  const names: string[] = [];
  const nameOf = (index: number): string => {
    const known = names[index];
    if (known !== undefined) return known;
    const { digest, inputs = [] } = records[index] ?? { digest: 'missing' };
    const described = inputs.map((alternatives) =>
      alternatives.map(({ selector = '', link }) => `${nameOf(link)} ${selector}`).toSorted(),
    );
    const name = createHash('sha256')
      .update(JSON.stringify([digest, described]))
      .digest('hex')
      .slice(0, 16);
    names[index] = name;
    return name;
  };
  return records.map((_, index) => nameOf(index));
}
