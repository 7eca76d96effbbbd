import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { CacheConfig, KeySource } from '../cache/contract.ts';
import { exportCache } from '../cache/export.ts';
import { recordDigest } from '../cache/record.ts';
import { digestOf } from '../cache/test_snapshots.ts';
import type { Edge } from '../llb/graph.ts';
import { Steps, type StepOptions } from './test_graph.ts';

let steps: Steps;
beforeEach(() => {
  steps = new Steps();
});
afterEach(() => steps.close());

const NAMES = ['one', 'two', 'chain'];

/** An image with layers that another has, too. */
function image(name: string, options: StepOptions = {}): Edge {
  return steps.step(name, [], { image: true, keys: [name, 'chain'], layer: 'base', ...options });
}

/** Builds the edges as platforms of one build. */
async function exported(edges: Edge[], imports: KeySource[] = []): Promise<CacheConfig> {
  const session = steps.session({ imports });
  await session.find(edges);
  await Promise.all(edges.map((edge) => session.result(edge)));
  const nodes = await Promise.all(edges.map((edge) => session.exportNode(edge)));
  const { config } = await exportCache(nodes, steps.snapshots, {
    mode: 'max',
    compression: { type: 'gzip' },
  });
  await session.close();
  return config;
}

function namesIn(digests: readonly (string | undefined)[]): string[] {
  return NAMES.filter((name) => digests.includes(recordDigest(digestOf(name), 0))).toSorted();
}

/** @returns the names of sources in the cache of a build */
async function namesOfSources(edges: Edge[], imports: KeySource[] = []): Promise<string[]> {
  const { records = [] } = await exported(edges, imports);
  return namesIn(records.filter(({ inputs }) => inputs === undefined).map(({ digest }) => digest));
}

describe('images of equal layers', () => {
  test('of two platforms are exported under the names of the first', async () => {
    const edges = ['one', 'two'].map((name) => steps.step(`run on ${name}`, [image(name)]));
    assert.deepEqual(await namesOfSources(edges), ['chain', 'one']);
    assert.deepEqual(steps.ran.toSorted(), ['one', 'run on one', 'run on two']);
  });

  test('of two stages are exported under the names of the one nearest to the end, however slow', async () => {
    const stage = steps.step('run', [steps.step('earlier', [image('one')])]);
    const slow = image('two', { cacheMap: () => new Promise((resolve) => setTimeout(resolve, 20)) });
    const copy = steps.step('copy', [slow, stage], { content: [1] });
    assert.deepEqual(await namesOfSources([steps.step('last', [copy])]), ['chain', 'two']);
  });

  test('are known by the names that caches know when nothing is made of them', async () => {
    await steps.build(steps.step('run', [image('one')]));
    const edges = ['one', 'two'].map((name) => steps.step('run', [image(name)]));
    assert.deepEqual(await namesOfSources(edges), ['chain', 'one']);
  });

  test('are exported under the names of one that no cache knew, which is asked for all at once', async () => {
    const there = new Steps();
    const known = there.step('one', [], { image: true, keys: ['one', 'chain'], layer: 'base' });
    const cache = await there.exported(there.step('run', [known]), 'max');
    const edges = ['one', 'two'].map((name) => steps.step(`run on ${name}`, [image(name)]));
    assert.deepEqual(await namesOfSources(edges, [cache(steps)]), ['chain', 'two']);
    await there.close();
  });

  test('that nothing is made of do not lead on by a name that another got in this build', async () => {
    const there = new Steps();
    const cache = await there.exported(
      there.step('run', [there.step('one', [], { image: true, keys: ['one', 'chain'], layer: 'base' })]),
      'max',
    );
    const found = steps.step('run', [image('two')]);
    const last = steps.step('last', [steps.step('other', [image('one')]), found]);
    const config = await exported([last], [cache(steps)]);
    const run = config.records?.find(({ digest }) => digest === recordDigest(digestOf('run'), 0));
    const links = (run?.inputs?.[0] ?? []).map(({ link }) => config.records?.[link]?.digest);
    assert.deepEqual(namesIn(links), ['chain', 'one']);
    await there.close();
  });
});
