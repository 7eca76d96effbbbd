import assert from 'node:assert/strict';
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, test } from 'node:test';
import { CairnError } from '../errors/error.ts';
import type { SchemaPart } from './contract.ts';
import { openStore } from './open.ts';

const base = mkdtempSync(join(tmpdir(), 'cairn-store-'));
after(() => rmSync(base, { recursive: true, force: true }));
let count = 0;
const newRoot = (): string => join(base, String(count++));

const parts: SchemaPart[] = [
  { room: 'test', create: 'CREATE TABLE IF NOT EXISTS thing (name TEXT PRIMARY KEY) WITHOUT ROWID' },
];

function names(store: { db: DatabaseSync }): unknown[] {
  return store.db
    .prepare('SELECT name FROM thing ORDER BY name')
    .all()
    .map((row) => row['name']);
}

test('openStore keeps what a transaction wrote', () => {
  const root = newRoot();
  const first = openStore(root, parts);
  first.transaction(() => first.db.exec(`INSERT INTO thing VALUES ('a')`));
  first.close();
  const second = openStore(root, parts);
  assert.deepEqual(names(second), ['a']);
  second.close();
});

test('openStore adds the tables of a part that is new to the store', () => {
  const root = newRoot();
  openStore(root, parts).close();
  const store = openStore(root, [
    ...parts,
    { room: 'more', create: 'CREATE TABLE IF NOT EXISTS more (x INTEGER)' },
  ]);
  assert.deepEqual(store.db.prepare('SELECT * FROM more').all(), []);
  store.close();
});

test('transaction rolls back when its function throws', () => {
  const store = openStore(newRoot(), parts);
  assert.throws(
    () =>
      store.transaction(() => {
        store.db.exec(`INSERT INTO thing VALUES ('a')`);
        throw new Error('no');
      }),
    /no/,
  );
  assert.deepEqual(names(store), []);
  store.close();
});

test('openStore refuses a store of a newer version and touches nothing', () => {
  const root = newRoot();
  openStore(root, parts).close();
  const file = join(root, 'cairn.db');
  const db = new DatabaseSync(file);
  db.exec('PRAGMA journal_mode = DELETE; PRAGMA user_version = 99');
  db.close();
  const before = [readdirSync(root), readFileSync(file)];
  assert.throws(
    () => openStore(root, parts),
    (error: unknown) =>
      error instanceof CairnError && error.code === 'STORE' && /written by a newer cairn/.test(error.message),
  );
  assert.deepEqual([readdirSync(root), readFileSync(file)], before);
});

for (const [what, damage] of [
  ['is no database', (file: string) => writeFileSync(file, 'garbage '.repeat(1000))],
  ['is shorter than a header', (file: string) => writeFileSync(file, 'x')],
  ['is cut short', (file: string) => truncateSync(file, 4096)],
  [
    'has a schema page of noise',
    (file: string) => {
      const bytes = readFileSync(file);
      bytes.fill(0xa5, 100, 4096);
      writeFileSync(file, bytes);
    },
  ],
] as const) {
  test(`openStore sets the database aside and warns when it ${what}`, () => {
    const root = newRoot();
    const first = openStore(root, parts);
    first.transaction(() => first.db.exec(`INSERT INTO thing VALUES ('a')`));
    first.close();
    damage(join(root, 'cairn.db'));
    const warnings: string[] = [];
    const store = openStore(root, parts, { warn: (message) => warnings.push(message) });
    assert.deepEqual(names(store), []);
    assert.equal(warnings.length, 1);
    const aside = readdirSync(root).filter((name) => name.startsWith('damaged-'));
    assert.equal(aside.length, 1);
    assert.ok(existsSync(join(root, aside[0] ?? '', 'cairn.db')));
    store.close();
  });
}

test('damage that a transaction meets is repaired by the next opening', () => {
  const root = newRoot();
  const first = openStore(root, parts);
  first.transaction(() => {
    for (let i = 0; i < 5000; i++) first.db.exec(`INSERT INTO thing VALUES ('name ${i}')`);
  });
  first.close();
  const file = join(root, 'cairn.db');
  const bytes = readFileSync(file);
  // The roots of all tables are among the first pages; what is below is noise then.
  bytes.fill(0xa5, 10 * 4096);
  writeFileSync(file, bytes);
  const warnings: string[] = [];
  const warn = (message: string): void => void warnings.push(message);
  const damaged = openStore(root, parts, { warn });
  assert.throws(
    () => damaged.transaction(() => damaged.db.exec(`INSERT INTO thing VALUES ('name 2500 b')`)),
    (error: unknown) =>
      error instanceof CairnError && error.code === 'STORE' && /damaged/.test(error.message),
  );
  damaged.close();
  assert.deepEqual(warnings, []);
  const store = openStore(root, parts, { warn });
  assert.equal(warnings.length, 1);
  assert.deepEqual(names(store), []);
  store.close();
});

test('leased counts repeated leases and forgets released ones', () => {
  const store = openStore(newRoot(), parts);
  const [a, b] = [store.lease('blob', 'x'), store.lease('blob', 'x')];
  store.lease('snapshot', 'y');
  a.release();
  a.release();
  assert.deepEqual([...store.leased('blob')], ['x']);
  b.release();
  assert.deepEqual([...store.leased('blob')], []);
  assert.deepEqual([...store.leased('snapshot')], ['y']);
  store.close();
});

test('lease joins the transaction that is open', () => {
  const root = newRoot();
  const store = openStore(root, parts);
  const other = openStore(root, parts);
  store.transaction(() => {
    store.lease('blob', 'x');
    assert.deepEqual([...other.leased('blob')], []);
  });
  assert.deepEqual([...other.leased('blob')], ['x']);
  store.close();
  assert.deepEqual([...other.leased('blob')], []);
  other.close();
});

test('close removes the temporary files and the owner of this opening only', () => {
  const root = newRoot();
  const [a, b] = [openStore(root, parts), openStore(root, parts)];
  writeFileSync(a.tempPath('.blob'), 'a');
  const kept = b.tempPath();
  writeFileSync(kept, 'b');
  a.close();
  assert.deepEqual(readdirSync(join(root, 'tmp')), [b.owner]);
  assert.equal(readFileSync(kept, 'utf8'), 'b');
  b.close();
  assert.deepEqual(readdirSync(join(root, 'owners')), []);
});

test('openStore fails with STORE when the directory is a file', () => {
  const root = newRoot();
  writeFileSync(root, '');
  assert.throws(
    () => openStore(root, parts),
    (error: unknown) => error instanceof CairnError && error.code === 'STORE',
  );
});
