import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { SnapshotUsage } from '../snapshots/contract.ts';
import type { Store } from '../store/contract.ts';
import { openStore } from '../store/open.ts';
import { collectAfterBuild, diskUsage, prune } from './collect.ts';
import { createLocalKeyStore } from './local.ts';
import { bytesOf, collectionRules, keepBytes } from './policy.ts';
import { CACHE_TABLES } from './tables.ts';
import { digestOf, testSnapshots, type TestSnapshots } from './test_snapshots.ts';
import { parseUsageFilters } from './usage_filter.ts';

const HOUR = 3_600_000;
let directory: string;
let store: Store;
let snapshots: TestSnapshots;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'cairn-collect-'));
  store = openStore(directory, [CACHE_TABLES]);
  snapshots = testSnapshots();
});
afterEach(() => {
  store.close();
  rmSync(directory, { recursive: true, force: true });
});

/** A record that was last used so many hours ago. */
function record(name: string, hours: number, more: Partial<SnapshotUsage> = {}): SnapshotUsage {
  const usage: SnapshotUsage = {
    id: snapshots.make(name).id,
    parents: [],
    description: name,
    type: 'regular',
    size: 100,
    createdAt: new Date(0),
    lastUsedAt: new Date(Date.now() - hours * HOUR),
    usageCount: 1,
    inUse: false,
    shared: false,
    mutable: false,
    ...more,
  };
  snapshots.records.set(usage.id, usage);
  return usage;
}

async function deletedBy(...rules: Parameters<typeof prune>[2]): Promise<string[]> {
  const deleted: string[] = [];
  await prune(store, snapshots, rules, { onDeleted: ({ description }) => deleted.push(description) });
  return deleted;
}

describe('prune', () => {
  test('deletes children before what they are made of, and nothing that is in use', async () => {
    const parent = record('parent', 1);
    record('child', 1, { parents: [parent.id] });
    const used = record('parent of used', 1);
    record('used', 1, { parents: [used.id], inUse: true });
    assert.deepEqual(await deletedBy({}), ['child', 'parent']);
  });

  test('keeps what was used within the time', async () => {
    record('old', 100);
    record('young', 10);
    assert.deepEqual(await deletedBy({ keepDuration: 72 * HOUR }), ['old']);
  });

  test('deletes internal, frontend and shared records only with all', async () => {
    record('internal', 1, { type: 'internal' });
    record('frontend', 1, { type: 'frontend' });
    record('shared', 1, { shared: true });
    assert.deepEqual(await deletedBy({}), []);
    assert.equal((await deletedBy({ all: true })).length, 3);
  });

  test('under a limit deletes one by one, the longest unused and the least used first', async () => {
    record('a', 50, { usageCount: 9 });
    record('b', 40);
    record('c', 1, { usageCount: 9 });
    assert.deepEqual(await deletedBy({ maxUsedSpace: 250 }), ['b']);
  });

  test('takes the results along that pointed at what is deleted', async () => {
    const local = createLocalKeyStore(store, snapshots);
    const { id } = record('step', 1);
    const key = local.ensure(digestOf('step'), [[{ key: digestOf('base'), selector: '' }]]);
    local.addResult(key, { snapshot: snapshots.get(id) }, new Date());
    await prune(store, snapshots, [{}]);
    assert.deepEqual(local.links(digestOf('base'), { input: 0, record: digestOf('step'), selector: '' }), []);
  });
});

describe('collectAfterBuild', () => {
  test('deletes cache mounts that are old and many, and is quiet for a minute then', async () => {
    record('mount', 49, { type: 'exec.cachemount', size: 600e6 });
    record('fresh mount', 1, { type: 'exec.cachemount', size: 600e6 });
    const settings = { maxUsedSpace: { bytes: 1e15 } };
    assert.equal(await collectAfterBuild(store, snapshots, settings), 600e6);
    record('another', 49, { type: 'exec.cachemount', size: 600e6 });
    assert.equal(await collectAfterBuild(store, snapshots, settings), 0);
  });

  test('does nothing when it is switched off', async () => {
    record('mount', 49, { type: 'exec.cachemount', size: 6e9 });
    assert.equal(await collectAfterBuild(store, snapshots, { enabled: false }), 0);
  });
});

describe('policy', () => {
  const disk = { total: 200 * 2 ** 30, free: 100 * 2 ** 30 };

  test('percentages are rounded up, and without a known disk are 2 GB', () => {
    assert.equal(bytesOf({ percent: 10 }, disk), 21e9);
    assert.equal(bytesOf({ percent: 10 }, { total: 0, free: 0 }), 2e9);
    assert.equal(bytesOf({ bytes: 5 }, disk), 5);
  });

  test('the defaults are limited by share and by size', () => {
    const last = collectionRules({}, disk).at(-1);
    assert.deepEqual(last, { all: true, reservedSpace: 10e9, maxUsedSpace: 100e9, minFreeSpace: 41e9 });
    const small = collectionRules({}, { total: 10 * 2 ** 30, free: 0 }).at(-1);
    assert.deepEqual(small, { all: true, reservedSpace: 2e9, maxUsedSpace: 9e9, minFreeSpace: 3e9 });
  });

  test('one setting that is given replaces all defaults', () => {
    assert.deepEqual(collectionRules({ reservedSpace: { bytes: 7 } }, disk)[2], { reservedSpace: 7 });
  });

  test('rules that are given replace all passes', () => {
    const rules = [{ all: true, keepDuration: 5, maxUsedSpace: { percent: 10 } }, { filters: ['private'] }];
    assert.deepEqual(collectionRules({ reservedSpace: { bytes: 7 }, rules }, disk), [
      { filters: [], all: true, keepDuration: 5, maxUsedSpace: 21e9 },
      { filters: ['private'], all: false, keepDuration: 0 },
    ]);
    assert.equal(collectionRules({ rules: [] }, disk).length, 4);
  });

  for (const [name, rule, used, free, kept] of [
    ['no limit keeps nothing', {}, 500, 0, 0],
    ['a most is kept', { maxUsedSpace: 300 }, 500, 0, 300],
    ['too little free space takes from what is used', { minFreeSpace: 100 }, 500, 40, 440],
    ['enough free space takes nothing', { minFreeSpace: 100 }, 500, 200, 500],
    ['the smaller of both holds', { maxUsedSpace: 300, minFreeSpace: 400 }, 500, 100, 200],
    ['what is reserved stays', { maxUsedSpace: 300, minFreeSpace: 400, reservedSpace: 250 }, 500, 100, 250],
  ] as const) {
    test(`keepBytes: ${name}`, () => assert.equal(keepBytes(rule, used, { total: 1000, free }), kept));
  }
});

describe('filters', () => {
  test('select by field, and all parts of one must hold', () => {
    record('mount', 1, { type: 'exec.cachemount', mutable: true });
    record('RUN make, then test', 1);
    const names = (...filters: string[]): string[] =>
      diskUsage(snapshots, filters).map(({ description }) => description);
    assert.equal(names().length, 2);
    assert.deepEqual(names('type==exec.cachemount'), ['mount']);
    assert.deepEqual(names('type!=exec.cachemount,immutable'), ['RUN make, then test']);
    assert.deepEqual(names('description~=^RUN'), ['RUN make, then test']);
    assert.deepEqual(names('description=="RUN make, then test"'), ['RUN make, then test']);
    assert.deepEqual(names('mutable', 'description==x'), ['mount']);
    assert.deepEqual(names('inuse'), []);
  });

  test('until leaves out what was used since', () => {
    record('old', 100);
    record('young', 1);
    assert.deepEqual(
      diskUsage(snapshots, [], 72 * HOUR).map(({ description }) => description),
      ['old'],
    );
  });

  for (const bad of ['type=', 'description~=[', '=x', 'type==a,,']) {
    test(`${bad} is refused`, () => {
      assert.throws(() => parseUsageFilters([bad]), { code: 'USAGE' });
    });
  }
});
