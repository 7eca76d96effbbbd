/** Caches that were imported, beside the local store. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as tick } from 'node:timers/promises';
import type { KeySource } from '../cache/contract.ts';
import { exportCache } from '../cache/export.ts';
import { lazyKeySource } from '../cache/imported.ts';
import type { Edge } from '../llb/graph.ts';
import { recordDigest } from '../cache/record.ts';
import { digestOf } from '../cache/test_snapshots.ts';
import type { VertexEvent } from '../progress/events.ts';
import { Steps, type StepOptions } from './test_graph.ts';

let there: Steps;
let here: Steps;
beforeEach(() => {
  there = new Steps();
  here = new Steps();
});
afterEach(async () => {
  await there.close();
  await here.close();
});

let contexts = 0;
function context(steps: Steps, content: string): Edge {
  return steps.step('context', [], { volatile: true, layer: content }, String(contexts++));
}

/** Two stages: the first compiles the context, the second copies what it made and runs something. */
function staged(steps: Steps, source = 'v1', last = 'test', compile: StepOptions = {}): Edge {
  const base = steps.step('base', [], { keys: ['manifest', 'chain'] });
  const copy = steps.step('copy source', [base, context(steps, source)], { content: [1] });
  const built = steps.step('compile', [copy], { layer: 'binary', ...compile });
  const image = steps.step('copy binary', [base, built], { content: [1], selectors: { 1: '/bin' } });
  return steps.step(last, [image]);
}

async function ran(steps: Steps, edge: Edge, imports: KeySource[] = []): Promise<string[]> {
  await steps.build(edge, { imports });
  return steps.ran.toSorted();
}

/** `source` with some of its answers replaced. */
function changed(source: KeySource, answers: Partial<KeySource>): KeySource {
  return {
    name: source.name,
    root: (record) => source.root(record),
    rootRecord: (key) => source.rootRecord(key),
    has: (record) => source.has(record),
    links: (from, link) => source.links(from, link),
    results: (key) => source.results(key),
    backlinks: (key) => source.backlinks(key),
    load: (result) => source.load(result),
    ...answers,
  };
}

describe('an imported cache', () => {
  test('of mode max answers for every step, in an empty store', async () => {
    const cache = (await there.exported(staged(there), 'max'))(here);
    assert.deepEqual(await ran(here, staged(here), [cache]), ['context']);
  });

  test('is taken over: the next build needs it no more, nor for the steps below', async () => {
    const cache = (await there.exported(staged(there), 'max'))(here);
    await ran(here, staged(here), [cache]);
    assert.deepEqual(await ran(here, staged(here)), ['context']);
    assert.deepEqual(await ran(here, staged(here, 'v1', 'other test')), ['context', 'other test']);
  });

  test('of mode min leads through steps whose results it lacks, and runs none of them', async () => {
    const cache = (await there.exported(staged(there), 'min'))(here);
    assert.deepEqual(await ran(here, staged(here), [cache]), ['context']);
    assert.deepEqual(here.hashed, ['copy source 1']);
  });

  test('of mode min runs what a changed step needs, and finds by content what follows', async () => {
    const cache = (await there.exported(staged(there), 'min'))(here);
    const again = await ran(here, staged(here, 'v2'), [cache]);
    assert.deepEqual(again, ['base', 'compile', 'context', 'copy source']);
  });

  test('shows as cached what runs when a step that follows it is found, and then that it ran', async () => {
    const found = (steps: Steps, run?: StepOptions['run']): [Edge, Edge] => {
      const base = steps.step('base');
      const made = steps.step('made', [base], run === undefined ? {} : { run });
      return [steps.step('found', [base, made]), made];
    };
    const cache = (await there.exported(found(there)[0], 'min'))(here);
    const until = async (name: string, is: (event: VertexEvent) => boolean): Promise<void> => {
      while (!here.events.some((event) => event.name === name && is(event))) await tick();
    };
    const slow = changed(cache, {
      load: async (result) => {
        await until('made', ({ started }) => started !== undefined);
        return cache.load(result);
      },
    });
    const made = (): Promise<void> => until('found', ({ cached }) => cached === true);
    assert.deepEqual(await ran(here, here.step('new', found(here, made)), [slow]), ['base', 'made', 'new']);
    const ends = here.events.filter(({ name, completed }) => name === 'made' && completed !== undefined);
    assert.deepEqual(
      ends.map(({ cached }) => cached),
      [true, false],
    );
  });

  test('answers by the second name of a source', async () => {
    const cache = (await there.exported(staged(there), 'max'))(here);
    const edge = here.step(
      'copy source',
      [here.step('base', [], { keys: ['other manifest', 'chain'] }), context(here, 'v1')],
      { content: [1] },
    );
    assert.deepEqual(await ran(here, edge, [cache]), ['context']);
  });

  test('has what follows a step that no cache was asked for and one that was made again after it', async () => {
    const chain = (steps: Steps, ignoreCache: boolean): Edge =>
      steps.step('last', [steps.step('after', [steps.step('date', [steps.step('base')], { ignoreCache })])]);
    const cache = (await there.exported(chain(there, false), 'max'))(here);
    assert.deepEqual(await ran(here, chain(here, true), [cache]), ['after', 'base', 'date']);
  });

  test('is exported again only where what was made anew was made under keys that it knows', async () => {
    // A stage on another base, whose file is the same; nothing of the cache has a result but the last step.
    const built = (steps: Steps, base: string, last: string): Edge => {
      const stage = steps.step('stage', [steps.step(base)]);
      const first = steps.step('first', [stage], { content: [0], layer: 'one' });
      const second = steps.step('second', [first, stage], { content: [1], layer: 'two' });
      return steps.step(last, [steps.step('image'), second]);
    };
    const cache = (await there.exported(built(there, 'base', 'last'), 'min'))(here);
    const session = here.session({ imports: [cache] });
    const edge = built(here, 'moved', 'other');
    await session.result(edge);
    assert.deepEqual(here.ran.toSorted(), ['first', 'image', 'moved', 'other', 'second', 'stage']);
    const { config } = await exportCache([await session.exportNode(edge)], here.snapshots, {
      mode: 'max',
      compression: { type: 'gzip' },
    });
    // Of its first input either key leads on; of the second input, both must.
    const { records = [] } = config;
    const leadTo = (name: string, input: number): number =>
      records.find(({ digest }) => digest === recordDigest(digestOf(name), 0))?.inputs?.[input]?.length ?? 0;
    assert.deepEqual([leadTo('first', 0), leadTo('second', 1)], [3, 2]);
  });

  test('is exported again without the names of sources that nobody knew and nothing was made of', async () => {
    const moved = (steps: Steps): Edge[] => [steps.step('base', [], { keys: ['other manifest', 'chain'] })];
    const cache = await there.exported(
      there.step('a', [there.step('base', [], { keys: ['manifest', 'chain'] })]),
      'max',
    );
    const namesIn = async (edge: Edge, imports: KeySource[]): Promise<string[]> => {
      const session = here.session({ imports });
      await session.result(edge);
      const { config } = await exportCache([await session.exportNode(edge)], here.snapshots, {
        mode: 'max',
        compression: { type: 'gzip' },
      });
      await session.close();
      const roots = (config.records ?? []).filter(({ inputs }) => inputs === undefined);
      return roots.map(({ digest }) => keys.find((key) => recordDigest(digestOf(key), 0) === digest) ?? '');
    };
    const keys = ['manifest', 'other manifest', 'chain'];
    const found = await namesIn(here.step('a', moved(here)), [cache(here)]);
    assert.deepEqual(found.toSorted(), ['chain', 'manifest']);
    // Nor does the store know them now.
    assert.deepEqual(await namesIn(here.step('a', moved(here)), []), ['chain']);
    const made = await namesIn(here.step('b', moved(here)), [cache(here)]);
    assert.deepEqual(made.toSorted(), ['chain', 'other manifest']);
  });

  test('whose result cannot be loaded is a miss of just that step', async () => {
    const cache = (await there.exported(staged(there), 'max'))(here);
    const edge = staged(here);
    let first = true;
    const broken = changed(cache, {
      load: (result) => {
        if (!first) return cache.load(result);
        first = false;
        return Promise.resolve(undefined);
      },
    });
    assert.deepEqual(await ran(here, edge, [broken]), ['context', 'test']);
  });

  test('is exported again as it was imported', async () => {
    const edge = staged(there);
    const cache = (await there.exported(edge, 'max'))(here);
    await here.build(staged(here), { imports: [cache] });
    const again = new Steps();
    try {
      const copy = (await here.exported(staged(here), 'max'))(again);
      assert.deepEqual(await ran(again, staged(again), [copy]), ['context']);
    } finally {
      await again.close();
    }
  });
});

describe('several caches', () => {
  test('are asked in their order, the local store first', async () => {
    const [first, second] = [
      await there.exported(staged(there), 'max', 'first'),
      await there.exported(staged(there), 'max', 'second'),
    ];
    const session = here.session({ imports: [first(here), second(here)] });
    await session.result(staged(here));
    assert.equal(session.decisions.find(({ vertex }) => vertex.name === 'test')?.cache, 'first');
    const next = here.session({ imports: [first(here), second(here)] });
    await next.result(staged(here));
    assert.equal(next.decisions.find(({ vertex }) => vertex.name === 'test')?.cache, 'local');
  });

  test('answer together: one that knows a key without its result does not hide another that has it', async () => {
    const min = await there.exported(staged(there, 'v1', 'one'), 'min', 'min');
    const max = await there.exported(staged(there, 'v1', 'two'), 'max', 'max');
    assert.deepEqual(await ran(here, staged(here, 'v1', 'two'), [min(here), max(here)]), ['context']);
  });

  test('each answer for their own part of a graph', async () => {
    const left = (steps: Steps): Edge => steps.step('left', [steps.step('base')]);
    const right = (steps: Steps): Edge => steps.step('right', [steps.step('base')]);
    const one = (await there.exported(left(there), 'max', 'one'))(here);
    const two = (await there.exported(right(there), 'max', 'two'))(here);
    const both = here.step('both', [left(here), right(here)]);
    assert.deepEqual(await ran(here, both, [one, two]), ['both']);
  });

  test('are not waited for when the local store has the answer', async () => {
    await here.build(staged(here));
    const cache = (await there.exported(staged(there), 'max'))(here);
    const never = changed(cache, { ready: () => new Promise<void>(() => undefined) });
    assert.deepEqual(await ran(here, staged(here), [never]), ['context']);
  });

  test('complete each other along one path, and the same way whichever is slow', async () => {
    // Of version 2 only the second cache knows the first stage; what it makes leads on in the first cache.
    const one = await there.exported(staged(there, 'v1', 'one'), 'max', 'one');
    const two = await there.exported(staged(there, 'v2', 'two'), 'max', 'two');
    for (const delays of [
      [0, 20],
      [20, 0],
      [0, 0],
    ]) {
      const fresh = new Steps();
      try {
        const imports = [one(fresh), two(fresh)].map((source, index) =>
          lazyKeySource(
            source.name,
            async () => {
              await new Promise((resolve) => setTimeout(resolve, delays[index]));
              return source;
            },
            assert.fail,
          ),
        );
        const session = fresh.session({ imports });
        await session.result(staged(fresh, 'v2', 'one'));
        assert.deepEqual(fresh.ran, ['context']);
        const caches = Object.fromEntries(session.decisions.map(({ vertex, cache }) => [vertex.name, cache]));
        assert.deepEqual(caches['one'], 'one');
        assert.deepEqual(fresh.hashed, ['copy source 1']);
      } finally {
        await fresh.close();
      }
    }
  });
});

describe('a merge whose layers are elsewhere', () => {
  const linked = (steps: Steps): Edge =>
    steps.step('last', [steps.step('merge', [steps.step('base'), steps.step('copy')], { merge: true })]);
  /** Whether the merge has layers in an export. */
  async function isExported(imports: KeySource[]): Promise<boolean> {
    const session = here.session({ imports });
    const edge = linked(here);
    await session.result(edge);
    const { config } = await exportCache(
      [await session.exportNode(edge)],
      { ...here.snapshots, layersHere: () => 0 },
      { mode: 'max', compression: { type: 'gzip' } },
    );
    const record = config.records?.find(({ digest }) => digest === recordDigest(digestOf('merge'), 0));
    return record?.layers !== undefined;
  }

  test('is exported without them when it was made here', async () => {
    assert.equal(await isExported([]), false);
  });

  test('is exported with them when a cache had them', async () => {
    assert.equal(await isExported([(await there.exported(linked(there), 'max'))(here)]), true);
  });
});
