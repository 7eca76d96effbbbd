/** What runs and what is found, in one store. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createLocalKeyStore } from '../cache/local.ts';
import { CACHE_TABLES } from '../cache/tables.ts';
import { CairnError } from '../errors/error.ts';
import type { Edge } from '../llb/graph.ts';
import type { Snapshot } from '../snapshots/contract.ts';
import type { Store } from '../store/contract.ts';
import { openStore } from '../store/open.ts';
import { SolveError } from './error.ts';
import { Steps, type StepOptions } from './test_graph.ts';

let steps: Steps;
beforeEach(() => {
  steps = new Steps();
});
afterEach(() => steps.close());

let contexts = 0;
/** A local source: its key is another one in each build. */
function context(content: string): Edge {
  return steps.step('context', [], { volatile: true, layer: content }, String(contexts++));
}

/** FROM, COPY of a file of the context, RUN. */
function simple(content = 'v1', run = 'make', options: StepOptions = {}): Edge {
  const base = steps.step('base');
  const copy = steps.step('copy', [base, context(content)], { content: [1], selectors: { 1: '/src' } });
  return steps.step(run, [copy], options);
}

function rows(table: string): number {
  return Number(steps.store.db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n']);
}

describe('a cache in one store', () => {
  test('every step runs once when nothing is known', async () => {
    assert.deepEqual(await steps.build(simple()), ['base', 'copy', 'make']);
    assert.deepEqual(steps.ran.toSorted(), ['base', 'context', 'copy', 'make']);
  });

  test('only the source of content runs when all else is known', async () => {
    await steps.build(simple());
    assert.deepEqual(await steps.build(simple()), ['base', 'copy', 'make']);
    assert.deepEqual(steps.ran, ['context']);
  });

  test('what follows a changed content runs', async () => {
    await steps.build(simple());
    await steps.build(simple('v2'));
    assert.deepEqual(steps.ran, ['context', 'copy', 'make']);
  });

  test('what follows a changed definition runs', async () => {
    await steps.build(simple());
    await steps.build(simple('v1', 'make all'));
    assert.deepEqual(steps.ran, ['context', 'make all']);
  });

  test('another selector of the same content is another key', async () => {
    const copy = (selector: string): Edge =>
      steps.step('copy', [steps.step('base'), steps.step('image')], { selectors: { 1: selector } }, selector);
    await steps.build(copy('/a'));
    await steps.build(copy('/b'));
    assert.deepEqual(steps.ran, ['copy']);
  });

  test('a lost result is a miss of just that step', async () => {
    await steps.build(simple());
    steps.snapshots.lose(steps.snapshots.make('base', 'copy', 'make'));
    assert.deepEqual(await steps.build(simple()), ['base', 'copy', 'make']);
    assert.deepEqual(steps.ran, ['context', 'make']);
  });

  test('a step without files is found again', async () => {
    const nothing = (): Edge =>
      steps.step('nothing', [steps.step('empty', [], { layer: '' })], { layer: '' });
    await steps.build(nothing());
    await steps.build(nothing());
    assert.deepEqual(steps.ran, []);
  });

  test('each output of an op has its own key', async () => {
    const op = steps.step('op', [], { outputs: 2 });
    await steps.build(op);
    assert.deepEqual(await steps.build({ vertex: op.vertex, index: 1 }), ['op.1']);
    assert.deepEqual(steps.ran, ['op']);
    await steps.build({ vertex: op.vertex, index: 1 });
    assert.deepEqual(steps.ran, []);
  });

  test('a chain of many thousand steps does not exhaust the stack', async () => {
    let edge = steps.step('base');
    for (let index = 0; index < 5000; index++) edge = steps.step(`step ${index}`, [edge], { layer: '' });
    await steps.build(edge);
    await steps.build(edge);
    assert.deepEqual(steps.ran, []);
  });
});

describe('names of a source', () => {
  const image = (manifest: string, run = 'make'): Edge =>
    steps.step(run, [steps.step('image', [], { keys: [manifest, 'chain'] })]);

  test('the first is enough when it leads to a result', async () => {
    await steps.build(image('manifest'));
    await steps.build(image('manifest'));
    assert.deepEqual(steps.mapped.toSorted(), ['image 0', 'make 0']);
    assert.deepEqual(steps.ran, []);
  });

  test('the second leads to results of another first', async () => {
    await steps.build(image('manifest'));
    await steps.build(image('manifest of another tag'));
    assert.deepEqual(steps.ran, []);
  });
});

describe('content of a stage', () => {
  /** COPY --from: keyed by the definition of the stage and by its content. */
  const copied = (command: string, content: string): Edge => {
    const stage = steps.step(command, [steps.step('base')], { layer: content });
    const copy = steps.step('copy', [steps.step('base'), stage], { content: [1], selectors: { 1: '/out' } });
    return steps.step('run', [copy]);
  };

  test('is not looked at when the definition is known', async () => {
    await steps.build(copied('compile', 'binary'));
    await steps.build(copied('compile', 'binary'));
    assert.deepEqual([steps.ran, steps.hashed], [[], []]);
  });

  test('is looked at when the definition is new, and equal content is a hit', async () => {
    await steps.build(copied('compile', 'binary'));
    await steps.build(copied('compile -v', 'binary'));
    assert.deepEqual([steps.ran, steps.hashed], [['compile -v'], ['copy 1']]);
  });

  test('is looked at once: the next build knows the new definition', async () => {
    await steps.build(copied('compile', 'binary'));
    await steps.build(copied('compile -v', 'binary'));
    await steps.build(copied('compile -v', 'binary'));
    assert.deepEqual([steps.ran, steps.hashed], [[], []]);
  });

  test('is a miss when it differs', async () => {
    await steps.build(copied('compile', 'binary'));
    await steps.build(copied('compile -v', 'other binary'));
    assert.deepEqual(steps.ran, ['compile -v', 'copy', 'run']);
  });
});

describe('keys that are random by design', () => {
  test('are not stored, nor what follows from their definition', async () => {
    const step = (): Edge => steps.step('after', [steps.step('run', [context('v1')])]);
    await steps.build(step());
    await steps.build(step());
    assert.deepEqual(steps.ran, ['context', 'run', 'after']);
    assert.deepEqual([rows('cache_link'), rows('cache_result')], [0, 0]);
  });
});

describe('ignoreCache', () => {
  test('runs the step and what follows it, and keeps the new results', async () => {
    const chain = (ignoreCache: boolean, layer: string): Edge =>
      steps.step('after', [steps.step('date', [steps.step('base')], { ignoreCache, layer })]);
    await steps.build(chain(false, 'monday'));
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual(await steps.build(chain(true, 'tuesday')), ['base', 'tuesday', 'after']);
    assert.deepEqual(steps.ran, ['date', 'after']);
    assert.deepEqual(await steps.build(chain(false, 'wednesday')), ['base', 'tuesday', 'after']);
    assert.deepEqual(steps.ran, []);
  });

  test('runs what follows it, and finds what follows that, as BuildKit does', async () => {
    const chain = (ignoreCache: boolean): Edge =>
      steps.step('last', [
        steps.step('after', [steps.step('date', [steps.step('base')], { ignoreCache })]),
        steps.step('beside'),
      ]);
    await steps.build(chain(false));
    await steps.build(chain(true));
    assert.deepEqual(steps.ran, ['date', 'after']);
  });

  test('does not keep what follows by content from being found', async () => {
    const copied = (ignoreCache: boolean): Edge =>
      steps.step('copy', [steps.step('base'), steps.step('stage', [], { ignoreCache })], { content: [1] });
    await steps.build(copied(false));
    await steps.build(copied(true));
    assert.deepEqual(steps.ran, ['stage']);
  });
});

describe('equal vertices', () => {
  test('are shown as BuildKit shows them: both sources as done, of the others one as cached', async () => {
    const source = (salt: string): Edge => steps.step('source', [], {}, salt);
    const make = (salt: string): Edge => steps.step('make', [source(salt)], {}, salt);
    await steps.build(steps.step('both', [make('one'), make('two')]));
    const shown = new Map(steps.events.map((event) => [event.digest, `${event.name} ${event.cached}`]));
    assert.deepEqual([...shown.values()].toSorted(), [
      'both false',
      'make false',
      'make true',
      'source false',
      'source false',
    ]);
  });

  test('are shown as done where one is a source that was made before the other was needed, too', async () => {
    const source = (salt: string): Edge => steps.step('source', [], { keys: ['commit'] }, salt);
    const first = steps.step('first', [source('one')]);
    await steps.build(steps.step('second', [first, source('two')], { content: [0] }));
    const shown = new Map(steps.events.map((event) => [event.digest, `${event.name} ${event.cached}`]));
    assert.deepEqual([...shown.values()].toSorted(), [
      'first false',
      'second false',
      'source false',
      'source false',
    ]);
    assert.deepEqual(steps.ran, ['source', 'first', 'second']);
    steps.events.length = 0;
    await steps.build(steps.step('other', [source('one')]));
    assert.ok(steps.events.some(({ name, cached }) => name === 'source' && cached === true));
  });

  test('run once in a build', async () => {
    const one = steps.step('make', [steps.step('base')], { keys: ['make'] }, 'one');
    const two = steps.step('make', [steps.step('base')], { keys: ['make'] }, 'two');
    assert.notEqual(one.vertex.digest, two.vertex.digest);
    await steps.build(steps.step('both', [one, two]));
    assert.deepEqual(steps.ran, ['base', 'make', 'both']);
  });

  test('of which one is made of the other run once: the content that it copies on is the same', async () => {
    const copy = (from: Edge, ignoreCache = false): Edge =>
      steps.step('copy', [from], { keys: ['copy'], content: [0], layer: 'file', ignoreCache });
    const source = steps.step('source', [], { layer: 'file' });
    await steps.build(copy(copy(copy(source))));
    assert.deepEqual(steps.ran, ['source', 'copy']);
    // The third is found by what it is made of: nobody needs the content.
    assert.deepEqual(steps.hashed, ['copy 0', 'copy 0']);
    const shown = steps.events.filter(({ name, completed }) => name === 'copy' && completed !== undefined);
    assert.deepEqual(
      shown.map(({ cached }) => cached),
      [false, true, true],
    );
    await steps.build(copy(copy(source, true), true));
    assert.deepEqual(steps.ran, ['copy', 'copy']);
  });

  test('run once in concurrent builds, and every consumer goes on', async () => {
    const gate = Promise.withResolvers<void>();
    const make = (salt: string): Edge =>
      steps.step('make', [steps.step('base')], { keys: ['make'], run: () => gate.promise }, salt);
    const sessions = [steps.session(), steps.session()];
    const results = sessions.map((session, index) =>
      session.result(steps.step(`after ${index}`, [make(String(index))])),
    );
    setTimeout(() => gate.resolve(), 20);
    assert.deepEqual(
      (await Promise.all(results)).map((tree) => tree?.kind),
      ['snapshot', 'snapshot'],
    );
    assert.deepEqual(steps.ran.toSorted(), ['after 0', 'after 1', 'base', 'make']);
  });

  test('of a build that was canceled are run by the one that waited', async () => {
    const started = Promise.withResolvers<void>();
    const stop = new AbortController();
    let runs = 0;
    const make = steps.step('make', [steps.step('base')], {
      run: ({ signal }) => {
        if (++runs > 1) return Promise.resolve();
        started.resolve();
        return new Promise((_, reject) =>
          signal.addEventListener('abort', () => reject(new Error('killed'))),
        );
      },
    });
    const first = steps.session({ signal: stop.signal }).result(make);
    await started.promise;
    const second = steps.session().result(make);
    setTimeout(() => stop.abort(), 20);
    await assert.rejects(first, { code: 'CANCELED' });
    assert.equal((await second)?.kind, 'snapshot');
    assert.equal(runs, 2);
  });

  test('run anew for a build that ignores the cache', async () => {
    const gate = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const step = (ignoreCache: boolean): Edge =>
      steps.step(
        'make',
        [],
        {
          ignoreCache,
          run: async () => {
            started.resolve();
            await gate.promise;
          },
        },
        String(ignoreCache),
      );
    const first = steps.session().result(step(false));
    await started.promise;
    const second = steps.session().result(step(true));
    setTimeout(() => gate.resolve(), 20);
    await Promise.all([first, second]);
    assert.deepEqual(steps.ran, ['make', 'make']);
  });
});

describe('a build that goes on while another one ends', () => {
  for (const name of ['base', 'middle']) {
    test(`finds what the other made of a ${name} that both share`, async () => {
      const base = steps.step('base');
      const shared = name === 'base' ? base : steps.step('middle', [base]);
      const long = steps.session();
      await long.result(shared);
      await steps.build(steps.step('make', [shared], { keys: ['make'] }, 'theirs'));
      steps.ran.length = 0;
      await long.result(steps.step('make', [shared], { keys: ['make'] }, 'ours'));
      assert.deepEqual(steps.ran, []);
    });
  }
});

describe('another process that runs the same step', () => {
  let theirs: Store;
  beforeEach(() => {
    theirs = openStore(steps.directory, [CACHE_TABLES]);
  });
  afterEach(() => theirs.close());

  /** Builds a step and loses its result, so that the next build would run it. */
  async function lost(): Promise<{ edge: Edge; key: string; snapshot: Snapshot }> {
    const edge = steps.step('make', [steps.step('base')]);
    await steps.build(edge);
    const [row] = steps.store.db.prepare('SELECT target FROM cache_link').all();
    const snapshot = steps.snapshots.make('base', 'make');
    steps.snapshots.lose(snapshot);
    return { edge, key: String(row?.['target']), snapshot };
  }

  test('is waited for, and its result taken', async () => {
    const { edge, key } = await lost();
    const other = createLocalKeyStore(theirs, steps.snapshots);
    const held = other.holdKey(key);
    setTimeout(() => {
      other.addResult(key, { snapshot: steps.snapshots.make('base', 'make') }, new Date());
      held.release();
    }, 30);
    assert.deepEqual(await steps.build(edge), ['base', 'make']);
    assert.deepEqual(steps.ran, []);
  });

  test('and fails is no reason to fail: the step runs here', async () => {
    const { edge, key } = await lost();
    const held = createLocalKeyStore(theirs, steps.snapshots).holdKey(key);
    setTimeout(() => held.release(), 30);
    assert.deepEqual(await steps.build(edge), ['base', 'make']);
    assert.deepEqual(steps.ran, ['make']);
  });
});

describe('scheduling', () => {
  /** Steps that end only when all have begun. */
  function together(count: number): () => Promise<void> {
    const all = Promise.withResolvers<void>();
    return () => {
      if (--count === 0) all.resolve();
      return all.promise;
    };
  }

  test('independent steps run at the same time', async () => {
    const run = together(3);
    const stages = [1, 2, 3].map((index) => steps.step(`stage ${index}`, [steps.step('base')], { run }));
    await steps.build(steps.step('all', stages));
    assert.equal(steps.ran.length, 5);
  });

  test('a stage that nothing matches runs while the content of another is still being made', async () => {
    const run = together(2);
    const stage = steps.step('stage', [], { run });
    const copy = steps.step('copy', [steps.step('base'), stage], { content: [1] });
    const slow = steps.step('slow', [copy]);
    const other = steps.step('other', [steps.step('base')], { run });
    await steps.build(steps.step('last', [slow, other]));
    assert.equal(steps.ran.at(-1), 'last');
  });

  test('a run waits for its slot before it is shown as started', async () => {
    const order: string[] = [];
    const step = steps.step('limited', [], {
      acquire: () => {
        order.push(
          `acquired, ${steps.events.filter((event) => event.started !== undefined).length - 2} starts`,
        );
        return Promise.resolve(() => order.push('released'));
      },
      run: () => {
        order.push('ran');
        return Promise.resolve();
      },
    });
    await steps.build(step);
    assert.deepEqual(order, ['acquired, 0 starts', 'ran', 'released']);
  });
});

describe('failure', () => {
  test('names the vertex, and is told when all other work has stopped', async () => {
    let stopped = false;
    const begun = Promise.withResolvers<void>();
    const slow = steps.step('slow', [], {
      run: async ({ signal }) => {
        begun.resolve();
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        await new Promise((resolve) => setTimeout(resolve, 20));
        stopped = true;
        throw new Error('killed');
      },
    });
    const broken = steps.step('broken', [], {
      run: async () => {
        await begun.promise;
        throw new CairnError('exit code: 1', { code: 'EXEC', hint: 'look at it' });
      },
    });
    const session = steps.session();
    await assert.rejects(session.result(steps.step('both', [slow, broken])), (error) => {
      assert.ok(error instanceof SolveError);
      assert.deepEqual(
        [error.message, error.code, error.hint, error.vertex.name],
        ['exit code: 1', 'EXEC', 'look at it', 'broken'],
      );
      return true;
    });
    assert.equal(stopped, true);
    const statuses = session.decisions.map(({ vertex, status }) => [vertex.name, status]);
    assert.deepEqual(Object.fromEntries(statuses), { broken: 'error', slow: 'canceled' });
    const last = (name: string) => steps.events.findLast((event) => event.name === name)?.error;
    assert.deepEqual([last('broken'), last('slow')], ['exit code: 1', 'context canceled']);
  });

  test("to make a key is told in BuildKit's words", async () => {
    const source = steps.step('source', [], { cacheMap: () => Promise.reject(new Error('no such image')) });
    await assert.rejects(steps.build(steps.step('run', [source])), {
      message: 'failed to load cache key: no such image',
    });
  });

  test("to hash content is told in BuildKit's words, of the step that wanted it", async () => {
    const copy = steps.step('copy', [steps.step('base'), context('v1')], { content: [1], missing: '/x' });
    await assert.rejects(steps.build(copy), (error) => {
      assert.ok(error instanceof SolveError);
      assert.equal(error.message, 'failed to compute cache key: "/x": not found');
      assert.equal(error.vertex.name, 'copy');
      return true;
    });
  });

  test('leaves what was done before in the cache', async () => {
    let fails = true;
    const step = (): Edge =>
      steps.step('second', [steps.step('first')], {
        run: () => (fails ? Promise.reject(new Error('no')) : Promise.resolve()),
      });
    await assert.rejects(steps.build(step()));
    fails = false;
    await steps.build(step());
    assert.deepEqual(steps.ran, ['second']);
  });
});

describe('cancellation', () => {
  test('waits for the ops to stop', async () => {
    const stop = new AbortController();
    let stopped = false;
    const step = steps.step('sleep', [], {
      run: async ({ signal }) => {
        setTimeout(() => stop.abort(), 5);
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        await new Promise((resolve) => setTimeout(resolve, 20));
        stopped = true;
        throw new Error('killed');
      },
    });
    await assert.rejects(steps.session({ signal: stop.signal }).result(step), { code: 'CANCELED' });
    assert.equal(stopped, true);
  });

  test('before the first step runs nothing', async () => {
    await assert.rejects(steps.session({ signal: AbortSignal.abort() }).result(simple()), {
      code: 'CANCELED',
    });
    assert.deepEqual(steps.ran, []);
  });
});

describe('progress', () => {
  test('announces every vertex, inputs first, and shows each that ran', async () => {
    await steps.build(simple());
    const announced = steps.events.filter((event) => event.started === undefined).map(({ name }) => name);
    assert.deepEqual(announced, ['base', 'context', 'copy', 'make']);
    const last = new Map(steps.events.map((event) => [event.name, event]));
    for (const event of last.values()) {
      assert.ok(event.started !== undefined && event.completed !== undefined, event.name);
      assert.equal(event.cached, false, event.name);
    }
  });

  test('shows a hit and everything before it as cached', async () => {
    const chain = (): Edge => steps.step('c', [steps.step('b', [steps.step('a', [steps.step('base')])])]);
    await steps.build(chain());
    steps.events.length = 0;
    await steps.build(chain());
    const cached = steps.events.filter((event) => event.cached === true && event.completed !== undefined);
    assert.deepEqual(
      cached.map(({ name }) => name),
      ['a', 'b', 'c'],
    );
  });
});

describe('decisions', () => {
  test('say what decided', async () => {
    await steps.build(simple());
    const session = steps.session();
    await session.result(simple('v2'));
    const reasons = Object.fromEntries(
      session.decisions.map(({ vertex, status, reason }) => [vertex.name, `${status}: ${reason}`]),
    );
    assert.deepEqual(reasons, {
      context: 'run: never cached: its key is different each time',
      base: 'hit: definition',
      copy: 'run: the content of context is new to this step',
      make: 'run: it follows copy, which is not cached',
    });
  });

  test('say nothing of changes where there was nothing before', async () => {
    const session = steps.session();
    await session.result(steps.step('make', [steps.step('base')]));
    assert.deepEqual(
      session.decisions.map(({ vertex, reason }) => [vertex.name, reason]),
      [
        ['base', 'not in the local store, and caches hold no sources'],
        ['make', 'no such step is cached: it is new, or its definition or an option of it has changed'],
      ],
    );
  });

  test('say that a step is known after another one', async () => {
    await steps.build(steps.step('b', [steps.step('a', [steps.step('base')])]));
    await steps.build(steps.step('c', [steps.step('base')]));
    const session = steps.session();
    await session.result(steps.step('b', [steps.step('c', [steps.step('base')])]));
    const moved = session.decisions.find(({ vertex }) => vertex.name === 'b');
    assert.equal(moved?.reason, 'known only after another step than c');
  });

  test('say which step is new', async () => {
    await steps.build(simple());
    const session = steps.session();
    await session.result(simple('v1', 'make all'));
    const make = session.decisions.find(({ vertex }) => vertex.name === 'make all');
    assert.equal(
      make?.reason,
      'no such step is cached: it is new, or its definition or an option of it has changed',
    );
    const copy = session.decisions.find(({ vertex }) => vertex.name === 'copy');
    assert.deepEqual([copy?.status, copy?.cache, copy?.reason], ['hit', 'local', 'content of context']);
  });
});
