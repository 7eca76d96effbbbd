/** One store, several processes, some of which are killed. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createContentStore } from '../../src/content/store.ts';
import { collect, verified } from '../../src/content/verify.ts';
import { openStore } from '../../src/store/open.ts';
import { PARTS } from './parts.ts';

const base = mkdtempSync(join(tmpdir(), 'cairn-processes-'));
after(() => rmSync(base, { recursive: true, force: true }));
let roots = 0;
const newRoot = (): string => join(base, String(roots++));

function start(root: string, mode: string): ChildProcess {
  return spawn(process.execPath, [join(import.meta.dirname, 'writer.ts'), root, mode], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function firstLine(child: ChildProcess): Promise<string> {
  assert.ok(child.stdout);
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return line.toString().trim();
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

test('leases and temporary files of a killed process vanish, those of a living one stay', async () => {
  const root = newRoot();
  const child = start(root, 'hold');
  const owner = await firstLine(child);
  const store = openStore(root, PARTS);
  assert.deepEqual([...store.leased('snapshot')], ['held']);
  // Every opening looks for the dead.
  openStore(root, PARTS).close();
  assert.ok(existsSync(join(root, 'tmp', owner)));
  await kill(child);
  assert.deepEqual([...store.leased('snapshot')], []);
  openStore(root, PARTS).close();
  assert.ok(!existsSync(join(root, 'tmp', owner)));
  assert.deepEqual(readdirSync(join(root, 'owners')), [`${store.owner}.lock`]);
  assert.deepEqual(store.db.prepare('SELECT * FROM lease').all(), []);
  store.close();
});

test('a process killed in the middle of writing leaves whole blobs and whole transactions', async () => {
  const root = newRoot();
  for (let round = 0; round < 10; round++) {
    const child = start(root, 'write');
    await firstLine(child);
    await sleep(Math.random() * 120);
    await kill(child);
    const store = openStore(root, PARTS);
    const torn = store.db
      .prepare('SELECT left FROM pair GROUP BY left HAVING SUM(right) <> -COUNT(*) / 2')
      .all();
    assert.deepEqual(torn, []);
    const content = createContentStore(store);
    for (const info of content.list()) {
      await collect(verified(content.read({ mediaType: '', ...info }), info), Infinity);
    }
    assert.equal(store.db.prepare('PRAGMA quick_check').get()?.['quick_check'], 'ok');
    store.close();
    assert.deepEqual(readdirSync(join(root, 'owners')), []);
    assert.deepEqual(readdirSync(join(root, 'tmp')), []);
  }
});

test('eight processes make and fill one store at once', async () => {
  const root = newRoot();
  const children = Array.from({ length: 8 }, () => start(root, '50'));
  const codes = await Promise.all(children.map(async (child) => (await once(child, 'exit'))[0] as unknown));
  assert.deepEqual(codes, Array<number>(8).fill(0));
  const store = openStore(root, PARTS);
  const counts = store.db.prepare('SELECT COUNT(*) AS n, COUNT(DISTINCT left) AS processes FROM pair').get();
  assert.deepEqual({ ...counts }, { n: 400, processes: 8 });
  assert.equal([...createContentStore(store).list()].length, 50);
  store.close();
});
