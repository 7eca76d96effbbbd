import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Digest } from '../content/contract.ts';
import { Chains, type ChainLink, type ChainRecord } from './chains.ts';
import { remoteResult, toCacheConfig, type RemoteResult } from './config.ts';
import type { CacheConfig, KeyId, KeySource } from './contract.ts';
import {
  describeRecords,
  descriptorOf,
  goldenCaches,
  hasTies,
  inMilliseconds,
  manifestOf,
  provider,
  stackOf,
} from './golden_caches.ts';
import { importedKeySource, lazyKeySource } from './imported.ts';
import { digestOf, testSnapshots } from './test_snapshots.ts';

/** Follows every link of a config through a source that was made of it, and builds the config anew. */
class Follower {
  readonly chains = new Chains<RemoteResult>();
  readonly #config: CacheConfig;
  readonly #source: KeySource;
  readonly #done = new Map<number, { id: KeyId; record: ChainRecord<RemoteResult> }>();

  constructor(config: CacheConfig, source: KeySource) {
    this.#config = config;
    this.#source = source;
  }

  follow(index: number): { id: KeyId; record: ChainRecord<RemoteResult> } {
    const known = this.#done.get(index);
    if (known !== undefined) return known;
    const { digest, inputs = [], layers = [] } = this.#config.records?.[index] ?? { digest: 'sha256:' };
    const links: ChainLink<RemoteResult>[][] = [];
    const reached = inputs.map((alternatives, input) => {
      const froms = alternatives.map(({ link, selector = '' }) => ({ ...this.follow(link), selector }));
      links.push(froms.map(({ record, selector }) => ({ from: record, selector })));
      return froms.map(({ id, selector }) => {
        const targets = this.#source.links(id, { input, record: digest, selector: selector as Digest | '' });
        assert.ok(targets.length > 0, `record ${index} cannot be reached from ${id}`);
        return new Set(targets);
      });
    });
    const targets = reached.flat();
    const [id] =
      targets.length === 0
        ? [this.#source.root(digest)]
        : targets.reduce((left, right) => left.intersection(right));
    assert.ok(id !== undefined);
    assert.equal(this.#source.results(id).length, layers.length);
    const results = layers.map(({ layer, createdAt }) =>
      remoteResult(new Date(createdAt ?? ''), {
        descriptors: stackOf(this.#config, layer).map(descriptorOf),
        provider,
      }),
    );
    const made = { id, record: this.chains.add(digest, links, results) };
    this.#done.set(index, made);
    return made;
  }
}

function importOf(config: unknown): { source: KeySource; told: string[] } {
  const told: string[] = [];
  const source = importedKeySource(manifestOf(config as CacheConfig), 'test', testSnapshots(), (message) =>
    told.push(message),
  );
  return { source, told };
}

describe('importedKeySource', () => {
  for (const [name, config] of goldenCaches()) {
    test(`knows every record and result of ${name}, and they are written as BuildKit wrote them`, () => {
      const { source, told } = importOf(config);
      const follower = new Follower(config, source);
      for (const index of (config.records ?? []).keys()) follower.follow(index);
      assert.deepEqual(told, []);
      const { config: again } = toCacheConfig(follower.chains);
      assert.deepEqual(describeRecords(again, 'stacks'), describeRecords(config, 'stacks'));
      if (!hasTies(config)) assert.deepEqual(again, inMilliseconds(config));
    });
  }

  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => digestOf(name)) as [Digest, Digest, Digest, Digest];
  const [x, y] = ['x', 'y'].map((name) => digestOf(name)) as [Digest, Digest];

  test('loads a result without reading a blob', async () => {
    const { source } = importOf({
      layers: [{ blob: x, parent: -1 }],
      records: [{ digest: a, layers: [{ layer: 0 }] }],
    });
    const [result] = source.results(source.root(a) ?? '');
    assert.deepEqual(result?.layers, [x]);
    assert.equal((await source.load(result))?.snapshot?.layers.length, 1);
  });

  test('takes layers of a chain in the order given', () => {
    const { source, told } = importOf({
      layers: [{ blob: x, parent: -1 }, { blob: y }],
      records: [{ digest: a, chains: [{ layers: [1, 0], createdAt: '0001-01-01T00:00:00Z' }] }],
    });
    assert.deepEqual(source.results(source.root(a) ?? '')[0]?.layers, [y, x]);
    assert.deepEqual(told, []);
  });

  test('takes an absent parent for layer 0', () => {
    const { source } = importOf({
      layers: [{ blob: x, parent: -1 }, { blob: y }],
      records: [{ digest: a, layers: [{ layer: 1 }] }],
    });
    assert.deepEqual(source.results(source.root(a) ?? '')[0]?.layers, [x, y]);
  });

  test('misses only what a loop touches', () => {
    const { source, told } = importOf({
      records: [
        { digest: a },
        { digest: b, inputs: [[{ link: 0 }, { link: 2 }]] },
        { digest: c, inputs: [[{ link: 1 }]] },
        { digest: d, inputs: [[{ link: 3 }]] },
      ],
    });
    const [next] = source.links(source.root(a) ?? '', { input: 0, record: b, selector: '' });
    assert.ok(next !== undefined);
    assert.equal(source.links(next, { input: 0, record: c, selector: '' }).length, 1);
    assert.deepEqual(told, [
      'cache test: record 3 is out of reach: inputs are damaged, missing or in a loop',
    ]);
  });

  test('misses only results whose layers are damaged, and tells each damage once', () => {
    const { source, told } = importOf({
      layers: [
        { blob: x, parent: -1 },
        { blob: y, parent: 1 },
        { blob: y, parent: 77 },
      ],
      records: [0, 1, 2, 9, 9].map((layer, index) => ({
        digest: digestOf(`record ${index}`),
        layers: [{ layer }],
      })),
    });
    const counts = [0, 1, 2, 3, 4].map(
      (index) => source.results(source.root(digestOf(`record ${index}`)) ?? '').length,
    );
    assert.deepEqual(counts, [1, 0, 0, 0, 0]);
    assert.deepEqual(told, [
      'cache test: the parents of layer 1 form a loop, or are more than 2000',
      'cache test: there is no layer 77',
      'cache test: there is no layer 9',
    ]);
  });

  for (const [what, config] of Object.entries({
    'a string for records': { records: 'no' },
    'null records': { records: [null, 7, [], { digest: 'sha256:short' }] },
    'inputs of the wrong kind': {
      records: [
        { digest: a, inputs: [7] },
        { digest: b, inputs: 'x' },
      ],
    },
    'links to nowhere': { records: [{ digest: a, inputs: [[{ link: 5 }], [{ link: -1 }]] }] },
    'links that are no numbers': { records: [{ digest: a, inputs: [[{ link: 1e300 }]] }] },
    'null layers': { layers: [null], records: [{ digest: a, layers: [{ layer: 0 }, null, 4] }] },
  })) {
    test(`is empty and says so for ${what}`, () => {
      const told: string[] = [];
      const manifest = { config: config as unknown as CacheConfig, blobs: new Map(), provider };
      const source = importedKeySource(manifest, 'test', testSnapshots(), (message) => told.push(message));
      for (const digest of [a, b]) {
        const root = source.root(digest);
        if (root !== undefined) assert.deepEqual(source.results(root), []);
      }
      assert.ok(told.length > 0);
    });
  }

  /** JSON has values that cannot even be turned into text. */
  const NO_TEXT = { toString: null, valueOf: null };

  for (const [what, layer] of Object.entries({
    'a blob that is no text': { blob: NO_TEXT, parent: -1 },
    'a parent that is no number': { blob: x, parent: NO_TEXT },
    'a parent that names a method of lists': { blob: x, parent: 'map' },
    'a fraction for a parent': { blob: x, parent: 0.5 },
  })) {
    test(`misses a result, and says so, of a layer with ${what}`, () => {
      const told: string[] = [];
      const config = { layers: [layer], records: [{ digest: a, layers: [{ layer: 0 }] }] };
      const manifest = { ...manifestOf({ layers: [{ blob: x }] }), config: config as unknown as CacheConfig };
      const source = importedKeySource(manifest, 'test', testSnapshots(), (message) => told.push(message));
      assert.deepEqual(source.results(source.root(a) ?? ''), []);
      assert.equal(told.length, 1, told.join());
    });
  }

  test('takes a layer whose time is no text', () => {
    const { source } = importOf({
      layers: [{ blob: x, parent: -1, annotations: { createdAt: NO_TEXT } }],
      records: [{ digest: a, layers: [{ layer: 0 }] }],
    });
    assert.equal(source.results(source.root(a) ?? '').length, 1);
  });

  test('stays quick for many records that share one input and for many results of one record', () => {
    const count = 30_000;
    const roots = Array.from({ length: count }, (_, index) => ({ digest: digestOf(`root ${index}`) }));
    const records = roots.map((_, index) => ({ digest: b, inputs: [[{ link: 0 }], [{ link: index }]] }));
    const layers = roots.map((_, index) => ({ layer: 0, createdAt: new Date(index).toISOString() }));
    const { source } = importOf({
      layers: [{ blob: x, parent: -1 }],
      records: [...roots, ...records, { digest: a, layers }],
    });
    const link = { input: 0, record: b, selector: '' } as const;
    assert.equal(source.links(source.root(digestOf('root 0')) ?? '', link).length, count);
    assert.equal(source.results(source.root(a) ?? '').length, count);
  });

  test('stays quick for many equal records', () => {
    const records = Array.from({ length: 50_000 }, (_, index) =>
      index === 0 ? { digest: a } : { digest: index % 2 === 0 ? b : c, inputs: [[{ link: 0 }]] },
    );
    const { source } = importOf({ records });
    assert.equal(source.links(source.root(a) ?? '', { input: 0, record: b, selector: '' }).length, 1);
  });
});

describe('lazyKeySource', () => {
  test('opens once, when it is asked to be ready', async () => {
    let opened = 0;
    const { source } = importOf({ records: [{ digest: digestOf('a') }] });
    const lazy = lazyKeySource(
      'lazy',
      () => {
        opened++;
        return Promise.resolve(source);
      },
      assert.fail,
    );
    assert.equal(lazy.root(digestOf('a')), undefined);
    assert.equal(opened, 0);
    await Promise.all([lazy.ready?.(), lazy.ready?.()]);
    assert.equal(opened, 1);
    assert.notEqual(lazy.root(digestOf('a')), undefined);
  });

  test('is empty and warns when it cannot be opened', async () => {
    const told: string[] = [];
    const lazy = lazyKeySource(
      'R/app:cache',
      () => Promise.reject(new Error('refused')),
      (message) => told.push(message),
    );
    await lazy.ready?.();
    assert.equal(lazy.root(digestOf('a')), undefined);
    assert.deepEqual(told, ['cache R/app:cache cannot be imported: refused']);
  });
});
