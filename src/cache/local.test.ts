import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { Store } from '../store/contract.ts';
import { openStore } from '../store/open.ts';
import type { KeyStore } from './contract.ts';
import { createLocalKeyStore } from './local.ts';
import { releaseSnapshots, sweepKeys } from './release.ts';
import { CACHE_TABLES } from './tables.ts';
import { digestOf, testSnapshots, type TestSnapshots } from './test_snapshots.ts';

let directory: string;
let store: Store;
let snapshots: TestSnapshots;
let local: KeyStore;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'cairn-cache-'));
  store = openStore(directory, [CACHE_TABLES]);
  snapshots = testSnapshots();
  local = createLocalKeyStore(store, snapshots);
});
afterEach(() => {
  store.close();
  rmSync(directory, { recursive: true, force: true });
});

const [base, step, next] = [digestOf('base'), digestOf('step'), digestOf('next')];

function rows(): number {
  const { n } = store.db
    .prepare('SELECT (SELECT count(*) FROM cache_link) + (SELECT count(*) FROM cache_result) AS n')
    .get() as { n: number };
  return n;
}

describe('ensure', () => {
  test('gives the same key for the same paths, and a new one for others', () => {
    const key = local.ensure(step, [[{ key: base, selector: '' }]]);
    assert.equal(local.ensure(step, [[{ key: base, selector: '' }]]), key);
    assert.notEqual(local.ensure(step, [[{ key: base, selector: digestOf('/a') }]]), key);
    assert.notEqual(local.ensure(next, [[{ key: base, selector: '' }]]), key);
  });

  test('adds paths to a key that every input leads to', () => {
    const other = digestOf('other');
    const key = local.ensure(step, [[{ key: base, selector: '' }], [{ key: other, selector: '' }]]);
    const content = digestOf('content');
    const both = [
      { key: other, selector: '' as const },
      { key: content, selector: '' as const },
    ];
    assert.equal(local.ensure(step, [[{ key: base, selector: '' }], both]), key);
    assert.deepEqual(local.links(content, { input: 1, record: step, selector: '' }), [key]);
    assert.equal(local.backlinks(key).length, 3);
  });

  test('does not take a key that only one input leads to', () => {
    const [a, b] = [digestOf('a'), digestOf('b')];
    const key = local.ensure(step, [[{ key: base, selector: '' }], [{ key: a, selector: '' }]]);
    assert.notEqual(local.ensure(step, [[{ key: base, selector: '' }], [{ key: b, selector: '' }]]), key);
  });

  test('by several processes at once gives one key', { timeout: 60_000 }, async () => {
    const script = join(import.meta.dirname, 'test_writer.ts');
    const run = promisify(execFile);
    const outputs = await Promise.all(
      [1, 2, 3].map(() => run(process.execPath, [script, directory], { encoding: 'utf8' })),
    );
    const [keys] = outputs.map(({ stdout }) => stdout.trim());
    assert.equal(keys?.split(' ').length, 50);
    for (const { stdout } of outputs) assert.equal(stdout.trim(), keys);
  });
});

describe('results', () => {
  test('come newest first, without those that are gone', () => {
    const [old, young, lost] = ['old', 'young', 'lost'].map((name) => snapshots.make(name));
    for (const [snapshot, time] of [
      [old, 1],
      [young, 3],
      [lost, 2],
    ] as const) {
      local.addResult(base, { snapshot }, new Date(time));
    }
    if (lost !== undefined) snapshots.lose(lost);
    assert.deepEqual(
      local.results(base).map(({ createdAt }) => createdAt.getTime()),
      [3, 1],
    );
  });

  test('may be scratch', async () => {
    const result = local.addResult(base, { snapshot: undefined }, new Date(5));
    assert.deepEqual(local.results(base), [result]);
    assert.deepEqual(await local.load(result), { snapshot: undefined });
  });
});

describe('releaseSnapshots', () => {
  test('takes the keys along that lead nowhere then, and keeps those that lead on', () => {
    const first = local.ensure(step, [[{ key: base, selector: '' }]]);
    const second = local.ensure(next, [[{ key: first, selector: '' }]]);
    const [one, two] = [snapshots.make('one'), snapshots.make('two')];
    local.addResult(first, { snapshot: one }, new Date());
    local.addResult(second, { snapshot: two }, new Date());
    releaseSnapshots(store, [one.id]);
    assert.deepEqual(local.links(first, { input: 0, record: next, selector: '' }), [second]);
    assert.deepEqual(local.links(base, { input: 0, record: step, selector: '' }), [first]);
    releaseSnapshots(store, [two.id]);
    assert.equal(rows(), 0);
  });
});

describe('sweepKeys', () => {
  test('removes what a killed build left, and results whose snapshot is gone', () => {
    const first = local.ensure(step, [[{ key: base, selector: '' }]]);
    local.ensure(next, [[{ key: first, selector: '' }]]);
    const gone = snapshots.make('gone');
    local.addResult(base, { snapshot: gone }, new Date());
    snapshots.lose(gone);
    sweepKeys(store, snapshots);
    assert.equal(rows(), 0);
  });

  test('leaves keys that a build holds while it makes their result', () => {
    const first = local.ensure(step, [[{ key: base, selector: '' }]]);
    const held = local.holdKey(first);
    sweepKeys(store, snapshots);
    assert.equal(rows(), 1);
    held.release();
    sweepKeys(store, snapshots);
    assert.equal(rows(), 0);
  });
});
