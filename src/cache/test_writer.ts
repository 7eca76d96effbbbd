/** A process that writes a chain of keys into the store given, and prints them. */
import { openStore } from '../store/open.ts';
import { createLocalKeyStore } from './local.ts';
import { CACHE_TABLES } from './tables.ts';
import { digestOf, testSnapshots } from './test_snapshots.ts';

const store = openStore(process.argv[2] ?? '', [CACHE_TABLES]);
const local = createLocalKeyStore(store, testSnapshots());
const keys: string[] = [digestOf('base')];
for (let index = 0; index < 50; index++) {
  const key = keys.at(-1) ?? '';
  keys.push(local.batch(() => local.ensure(digestOf(`step ${index}`), [[{ key, selector: '' }]])));
}
process.stdout.write(keys.slice(1).join(' '));
store.close();
