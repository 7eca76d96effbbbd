/** A process that uses a store, for the tests of what happens when it is killed. Arguments: root, mode. */
import { writeFileSync } from 'node:fs';
import { createContentStore } from '../../src/content/store.ts';
import { openStore } from '../../src/store/open.ts';
import { PARTS } from './parts.ts';

const [root = '', mode = ''] = process.argv.slice(2);
const store = openStore(root, PARTS);
const content = createContentStore(store);
const insert = store.db.prepare('INSERT INTO pair (left, right) VALUES (?, ?)');

if (mode === 'hold') {
  store.lease('snapshot', 'held');
  writeFileSync(store.tempPath('.held'), 'x');
  process.stdout.write(`${store.owner}\n`);
  setInterval(() => {}, 1000);
} else if (mode === 'write') {
  // Until killed: pairs that belong together, and blobs.
  process.stdout.write('writing\n');
  for (let i = 0; ; i++) {
    store.transaction(() => {
      insert.run(`${process.pid}`, i);
      insert.run(`${process.pid}`, -i - 1);
    });
    await content.ingest(chunks(i));
  }
} else {
  const count = Number(mode);
  for (let i = 0; i < count; i++) {
    store.transaction(() => insert.run(`${process.pid}`, i));
    await content.ingest(Buffer.from(`blob ${i}`));
    store.lease('blob', `${process.pid} ${i}`).release();
  }
  store.close();
}

async function* chunks(seed: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < 8; i++) yield await Promise.resolve(Buffer.alloc(200_000, `${seed} ${i} `));
}
