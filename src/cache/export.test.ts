import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Digest } from '../content/contract.ts';
import { encodeCacheConfig } from './config.ts';
import type { CacheConfig, ExportInput, ExportNode } from './contract.ts';
import { exportCache } from './export.ts';
import { describeRecords, goldenCaches, stackOf } from './golden_caches.ts';
import { digestOf, testSnapshots, type TestSnapshots } from './test_snapshots.ts';

const compression = { type: 'gzip' } as const;

/**
 * The nodes of the build that exported a config with mode max: one for each record. Several roots that lead to
 * one record by the same selector are the names of one source.
 */
class Nodes {
  readonly #config: CacheConfig;
  readonly #snapshots: TestSnapshots;
  readonly #nodes = new Map<number, ExportNode>();
  readonly #sources = new Map<string, ExportNode>();

  constructor(config: CacheConfig, snapshots: TestSnapshots) {
    this.#config = config;
    this.#snapshots = snapshots;
  }

  /** Nodes that lead to no other. */
  tops(): ExportNode[] {
    const records = this.#config.records ?? [];
    const used = new Set(records.flatMap(({ inputs }) => inputs?.flat().map(({ link }) => link) ?? []));
    return [...records.keys()].filter((index) => !used.has(index)).map((index) => this.#node(index));
  }

  #node(index: number): ExportNode {
    const known = this.#nodes.get(index);
    if (known !== undefined) return known;
    const record = this.#config.records?.[index];
    assert.ok(record);
    const node: ExportNode = {
      records: [record.digest],
      inputs: (record.inputs ?? []).map((alternatives) => this.#input(alternatives)),
      results: (record.layers ?? []).map(({ layer, createdAt }) => ({
        createdAt: new Date(createdAt ?? ''),
        load: () => Promise.resolve({ snapshot: this.#snapshots.make(...stackOf(this.#config, layer)) }),
      })),
      known: [],
    };
    this.#nodes.set(index, node);
    return node;
  }

  #input(alternatives: { selector?: string; link: number }[]): ExportInput {
    const isRoot = (link: number): boolean => this.#config.records?.[link]?.inputs === undefined;
    const digest = (link: number): Digest => this.#config.records?.[link]?.digest ?? 'sha256:';
    const op = alternatives.find(({ link }) => !isRoot(link));
    const roots = alternatives.filter(({ link }) => isRoot(link));
    if (op !== undefined) {
      const content = roots.map(({ link }) => digest(link))[0];
      return { node: this.#node(op.link), selector: (op.selector ?? '') as Digest | '', content };
    }
    const named = roots.filter(({ selector }) => selector !== undefined);
    const names = (named.length > 0 ? named : roots).map(({ link }) => digest(link)).toSorted();
    const content = roots.filter((root) => named.length > 0 && root.selector === undefined);
    const node = this.#sources.get(names.join(' ')) ?? { records: names, inputs: [], results: [], known: [] };
    this.#sources.set(names.join(' '), node);
    return {
      node,
      selector: (named[0]?.selector ?? '') as Digest | '',
      content: content.map(({ link }) => digest(link))[0],
    };
  }
}

const caches = goldenCaches();

describe('exportCache', () => {
  for (const [name, max] of caches) {
    if (!name.endsWith('/cache-max.json')) continue;
    const min = caches.get(name.replace('cache-max', 'cache-min'));

    test(`writes the records of ${name} in mode max`, async () => {
      const snapshots = testSnapshots();
      const { config } = await exportCache(new Nodes(max, snapshots).tops(), snapshots, {
        mode: 'max',
        compression,
      });
      assert.deepEqual(describeRecords(config, 'presence'), describeRecords(max, 'presence'));
    });

    if (min === undefined) continue;
    test(`writes the results that BuildKit keeps of ${name} in mode min`, async () => {
      const snapshots = testSnapshots();
      const nodes = new Nodes(max, snapshots).tops();
      const { config } = await exportCache(nodes, snapshots, { mode: 'min', compression });
      assert.deepEqual(describeRecords(config, 'presence'), describeRecords(min, 'presence'));
    });
  }

  test('writes the same bytes for the same build', async () => {
    const max = caches.get('multi-platform/cache-max.json');
    assert.ok(max);
    const once = async (): Promise<string> => {
      const snapshots = testSnapshots();
      const nodes = new Nodes(max, snapshots).tops();
      const { config } = await exportCache(nodes, snapshots, { mode: 'max', compression });
      return Buffer.from(encodeCacheConfig(config)).toString();
    };
    assert.equal(await once(), await once());
  });

  test('names only blobs that it hands over', async () => {
    const snapshots = testSnapshots();
    const node: ExportNode = {
      records: [digestOf('step')],
      inputs: [
        {
          node: { records: [digestOf('base')], inputs: [], results: [], known: [] },
          selector: '',
          content: undefined,
        },
      ],
      results: [
        { createdAt: new Date(0), load: () => Promise.resolve({ snapshot: snapshots.make('one', 'two') }) },
      ],
      known: [],
    };
    const { config, blobs } = await exportCache([node], snapshots, { mode: 'max', compression });
    assert.deepEqual(new Set(config.layers?.map(({ blob }) => blob)), new Set(blobs.keys()));
    assert.equal(blobs.size, 2);
  });

  test('gives merges no layers while some of them are elsewhere, at a top that is not inline while all are', async () => {
    const snapshots = testSnapshots();
    const merge = (name: string, inputs: ExportInput[]): ExportNode => ({
      records: [digestOf(name)],
      inputs,
      results: [
        {
          createdAt: new Date(0),
          load: () => Promise.resolve({ snapshot: snapshots.make('base', name) }),
          onlyWhenHere: true,
        },
      ],
      known: [],
    });
    const onto = (node: ExportNode): ExportInput[] => [{ node, selector: '', content: undefined }];
    const base: ExportNode = { records: [digestOf('base')], inputs: [], results: [], known: [] };
    const top = merge('second', onto(merge('first', onto(base))));
    const withLayers = async (here: number, inline = false): Promise<string[]> => {
      const store = { ...snapshots, layersHere: () => here };
      const { config } = await exportCache([top], store, { mode: 'max', compression, inline });
      return (config.records ?? []).filter(({ layers }) => layers !== undefined).map(({ digest }) => digest);
    };
    assert.deepEqual(await withLayers(0), []);
    assert.deepEqual(await withLayers(1), [digestOf('second')]);
    assert.deepEqual(await withLayers(1, true), []);
    assert.deepEqual((await withLayers(2, true)).length, 2);
    assert.deepEqual(new Set(await withLayers(2)), new Set([digestOf('first'), digestOf('second')]));
  });

  test('leaves out what follows a key that is random by design', async () => {
    const volatile: ExportNode = { records: [], inputs: [], results: [], known: [] };
    const step = (input: ExportInput): ExportNode => ({
      records: [digestOf('step')],
      inputs: [input],
      results: [],
      known: [],
    });
    const lost = await exportCache(
      [step({ node: volatile, selector: '', content: undefined })],
      testSnapshots(),
      { mode: 'max', compression },
    );
    assert.deepEqual(lost.config, {});
    const kept = await exportCache(
      [step({ node: volatile, selector: '', content: digestOf('content') })],
      testSnapshots(),
      { mode: 'max', compression },
    );
    assert.equal(kept.config.records?.length, 2);
  });
});
