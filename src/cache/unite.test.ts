import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ANNOTATION_CREATED_AT, type Descriptor } from '../content/contract.ts';
import { encodeCacheConfig } from './config.ts';
import type { ExportedCache } from './contract.ts';
import { describeRecords, goldenCaches, inMilliseconds, manifestOf, provider } from './golden_caches.ts';
import { uniteConfigs, uniteExport, withoutBlobs } from './unite.ts';

const never = (message: string): never => assert.fail(message);

function exported(config: Parameters<typeof manifestOf>[0]): ExportedCache {
  const { blobs } = manifestOf(config);
  return {
    config,
    blobs: new Map([...blobs].map(([digest, descriptor]) => [digest, { descriptor, provider }])),
  };
}

describe('uniteExport', () => {
  for (const [name, golden] of goldenCaches()) {
    const config = inMilliseconds(golden);

    test(`changes nothing when ${name} is united with itself`, () => {
      const once = uniteExport(exported(config), manifestOf(config), never);
      assert.deepEqual(describeRecords(once.config, 'stacks'), describeRecords(config, 'stacks'));
      const twice = uniteExport(once, manifestOf(once.config), never);
      assert.deepEqual(encodeCacheConfig(twice.config), encodeCacheConfig(once.config));
    });
  }

  test('keeps the records of both, whichever comes first', () => {
    const all = [...goldenCaches()].filter(([name]) => /^(go-app|node-app)\/cache-max\.json$/.test(name));
    const [a, b] = all.map(([, config]) => inMilliseconds(config));
    assert.ok(a !== undefined && b !== undefined);
    const ab = uniteExport(exported(a), manifestOf(b), never);
    const ba = uniteExport(exported(b), manifestOf(a), never);
    assert.deepEqual(encodeCacheConfig(ab.config), encodeCacheConfig(ba.config));
    assert.ok((ab.config.records?.length ?? 0) > Math.max(a.records?.length ?? 0, b.records?.length ?? 0));
  });
});

test('a layer that is there keeps its time: machines pull the same base at different times', () => {
  const [golden] = [...goldenCaches()].map(([, config]) => inMilliseconds(config));
  assert.ok(golden !== undefined);
  const at = (time: string): ExportedCache => {
    const { config, blobs } = exported(golden);
    for (const each of blobs.values()) {
      const annotations = { ...each.descriptor.annotations, [ANNOTATION_CREATED_AT]: time };
      each.descriptor = { ...each.descriptor, annotations };
    }
    return { config, blobs };
  };
  const timesOf = ({ blobs }: ExportedCache): Set<string | undefined> =>
    new Set([...blobs.values()].map(({ descriptor }) => descriptor.annotations?.[ANNOTATION_CREATED_AT]));
  const there = { ...manifestOf(golden), blobs: new Map<`${string}:${string}`, Descriptor>() };
  for (const { descriptor } of at('2026-01-01T00:00:00Z').blobs.values())
    there.blobs.set(descriptor.digest, descriptor);
  const later = at('2026-02-02T00:00:00Z');
  assert.deepEqual([...timesOf(uniteExport(later, there, never))], ['2026-01-01T00:00:00Z']);
});

describe('withoutBlobs', () => {
  test('drops the results that need a blob and keeps the records', () => {
    for (const [name, golden] of goldenCaches()) {
      const config = inMilliseconds(golden);
      const lost = config.layers?.find(({ parent }) => parent !== -1)?.blob;
      if (lost === undefined) continue;
      const left = withoutBlobs(exported(config), new Set([lost]));
      assert.ok(!left.blobs.has(lost), name);
      assert.ok(!left.config.layers?.some(({ blob }) => blob === lost), name);
      assert.equal(left.config.records?.length, config.records?.length, name);
    }
  });
});

describe('uniteConfigs', () => {
  test('survives damaged entries', () => {
    const damaged = { layers: [null, 7], records: [null, { inputs: 'x', layers: 3, chains: [null] }] };
    const united = uniteConfigs([damaged as never, damaged as never]);
    assert.equal(united.records?.length, 4);
  });

  test('leaves what is no list and no number to whoever reads it', () => {
    const noText = { toString: null, valueOf: null };
    const record = {
      inputs: [7, [{ link: noText }, { link: 1 }]],
      layers: [{ layer: noText }],
      chains: [{ layers: 'x' }],
    };
    const damaged = { layers: [{ parent: noText }, { parent: 0 }, {}], records: [record] } as never;
    const [{ inputs, layers, chains } = {}] = uniteConfigs([damaged, damaged]).records?.slice(1) ?? [];
    assert.deepEqual(inputs, [7, [{ link: noText }, { link: 2 }]]);
    assert.deepEqual([layers, chains], [[{ layer: noText }], [{ layers: 'x' }]]);
    const parents = uniteConfigs([damaged, damaged]).layers?.map(({ parent }) => parent);
    assert.deepEqual(parents, [noText, 0, 0, noText, 3, 3]);
  });
});
