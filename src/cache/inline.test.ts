import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ANNOTATION_UNCOMPRESSED, type Digest } from '../content/contract.ts';
import { Chains } from './chains.ts';
import { remoteResult, toCacheConfig, type RemoteResult } from './config.ts';
import type { CacheConfigRecord, ExportedCache } from './contract.ts';
import { describeRecords, descriptorOf, manifestOf, provider } from './golden_caches.ts';
import { importedKeySource } from './imported.ts';
import { inlineConfig, inlineRecords } from './inline.ts';
import { parseRecords } from './parse.ts';
import { digestOf, testSnapshots } from './test_snapshots.ts';

const directory = join(import.meta.dirname, '../../test/conformance/caches');

interface GoldenInline {
  manifests: { manifest: { layers: { digest: Digest }[] }; cache: CacheConfigRecord[] | null }[];
}

/** An export with the records and results of an inline cache. */
function exportOf(records: CacheConfigRecord[], layers: readonly Digest[]): ExportedCache {
  const chains = new Chains<RemoteResult>();
  const done = new Map<number, ReturnType<typeof chains.add>>();
  const add = (index: number): ReturnType<typeof chains.add> => {
    const known = done.get(index);
    if (known !== undefined) return known;
    const { digest = 'sha256:', inputs = [], layers: tops = [], chains: lists = [] } = records[index] ?? {};
    const links = inputs.map((alternatives) =>
      alternatives.map(({ link, selector = '' }) => ({ from: add(link), selector })),
    );
    const stacks = [
      ...tops.map(({ layer, createdAt }) => ({ stack: layers.slice(0, layer + 1), createdAt })),
      ...lists.map(({ layers: list, createdAt }) => ({
        stack: list.map((position) => layers[position] ?? ('sha256:' as Digest)),
        createdAt,
      })),
    ];
    const results = stacks.map(({ stack, createdAt }) =>
      remoteResult(new Date(createdAt ?? 0), { descriptors: stack.map(descriptorOf), provider }),
    );
    const record = chains.add(digest, links, results);
    done.set(index, record);
    return record;
  };
  for (const index of records.keys()) add(index);
  return toCacheConfig(chains);
}

describe('inline caches', () => {
  for (const name of readdirSync(directory)) {
    const file = join(directory, name, 'inline.json');
    if (!existsSync(file)) continue;
    const { manifests } = JSON.parse(readFileSync(file, 'utf8')) as GoldenInline;
    manifests.forEach(({ manifest, cache }, index) => {
      if (cache === null) return;
      const layers = manifest.layers.map(({ digest }) => digest);
      const config = inlineConfig(cache, layers);

      test(`are read without a warning: ${name} ${index}`, () => {
        const told: string[] = [];
        const manifestOfIt = manifestOf(config);
        importedKeySource(manifestOfIt, name, testSnapshots(), (message) => told.push(message));
        const all = [...parseRecords(config, (message) => told.push(message)).records()];
        assert.equal(all.length, cache.length);
        assert.deepEqual(told, []);
      });

      test(`are written as BuildKit writes them: ${name} ${index}`, () => {
        const written = inlineRecords(exportOf(cache, layers), layers) ?? [];
        const describeAll = (records: CacheConfigRecord[]): string[] =>
          describeRecords(inlineConfig(records, layers), 'stacks');
        assert.deepEqual(describeAll(written), describeAll(cache));
        const chains = (records: CacheConfigRecord[]): string[] =>
          records
            .flatMap((record) => record.chains ?? [])
            .map((each) => JSON.stringify(each))
            .toSorted();
        assert.deepEqual(chains(written), chains(cache));
      });
    });
  }

  const [a, b] = [digestOf('a'), digestOf('b')];
  const oneResult = (...stack: Digest[]): ExportedCache => {
    const chains = new Chains<RemoteResult>();
    const base = chains.add(digestOf('base'), [], []);
    const remote = { descriptors: stack.map(descriptorOf), provider };
    chains.add(digestOf('step'), [[{ from: base, selector: '' }]], [remoteResult(new Date(0), remote)]);
    return toCacheConfig(chains);
  };
  const resultOf = (exported: ExportedCache, layers: Digest[]): unknown =>
    inlineRecords(exported, layers)
      ?.map(({ layers: top, chains }) => top?.[0]?.layer ?? chains?.[0]?.layers)
      .find((each) => each !== undefined);

  test('name the topmost layer of a result that the image begins with', () => {
    assert.equal(resultOf(oneResult(a, b), [a, b, digestOf('c')]), 1);
  });

  test('list the layers of a result that the image has in another order', () => {
    assert.deepEqual(resultOf(oneResult(b, a), [a, digestOf('c'), b]), [2, 0]);
  });

  test('know layers by their uncompressed digest', () => {
    const uncompressed = descriptorOf(a).annotations?.[ANNOTATION_UNCOMPRESSED] as Digest;
    assert.equal(resultOf(oneResult(a), [uncompressed]), 0);
  });

  test('are left out when the image has no result', () => {
    assert.equal(inlineRecords(oneResult(a, b), [a]), undefined);
  });
});
