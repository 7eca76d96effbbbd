import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { digestOf } from '../../llb/digest.ts';
import type { JobPool } from '../../platform/contract.ts';
import { openStore } from '../../store/open.ts';
import type { HostTree } from '../contract.ts';
import { hashHostFiles } from './host_hash.ts';
import { walkHost } from './host_walk.ts';
import { snapshotTables } from '../tables.ts';
import { createContentHasher } from './store_hasher.ts';
import { CONTENT_HASH_TABLES } from './tables.ts';
import type { TreeNode } from './tree_index.ts';

const scratch = mkdtempSync(join(tmpdir(), 'cairn-host-tree-'));
after(() => rmSync(scratch, { recursive: true }));
let made = 0;

function tree(files: string[], options: Partial<HostTree> = {}): HostTree {
  const root = join(scratch, String(made++));
  mkdirSync(root);
  for (const file of files) {
    const [path = '', target] = file.split(' -> ');
    mkdirSync(join(root, path, '..'), { recursive: true });
    if (target !== undefined) symlinkSync(target, join(root, path));
    else if (path.endsWith('/')) mkdirSync(join(root, path), { recursive: true });
    else writeFileSync(join(root, path), path);
  }
  return {
    kind: 'host',
    name: 'context',
    id: 'x',
    root,
    includePatterns: [],
    excludePatterns: [],
    followPaths: [],
    ...options,
  };
}

function paths(node: TreeNode, path = ''): string[] {
  return [...(node.children ?? [])].flatMap(([name, child]) => [
    `${path}${name}${child.kind === 'dir' ? '/' : ''}`,
    ...paths(child, `${path}${name}/`),
  ]);
}

const noPool: JobPool = {
  run: () => Promise.reject(new Error('no job was expected')),
  close: async () => {},
};
const noView = { view: () => Promise.reject(new Error('no snapshot was expected')) };

test('walkHost shows everything in byte order without patterns', () => {
  const shown = paths(walkHost(tree(['b/x', 'b.c', 'a', 'empty/', 'l -> a'])));
  assert.deepEqual(shown, ['a', 'b/', 'b/x', 'b.c', 'empty/', 'l']);
});

test('walkHost keeps the directories above exceptions and drops the others', () => {
  const files = ['keep/in/file', 'keep/out', 'gone/file', 'top'];
  const shown = paths(walkHost(tree(files, { excludePatterns: ['*', '!keep/in/file'] })));
  assert.deepEqual(shown, ['keep/', 'keep/in/', 'keep/in/file']);
});

test('walkHost applies include patterns to paths and their parents', () => {
  const files = ['src/a.ts', 'src/deep/b.ts', 'docs/x', 'package.json'];
  assert.deepEqual(paths(walkHost(tree(files, { includePatterns: ['src/**/*.ts'] }))), [
    'src/',
    'src/a.ts',
    'src/deep/',
    'src/deep/b.ts',
  ]);
  assert.deepEqual(paths(walkHost(tree(files, { includePatterns: ['docs'] }))), ['docs/', 'docs/x']);
});

test('walkHost follows links of followPaths, wildcards and chains included', () => {
  const files = ['real/f', 'l1 -> l2', 'l2 -> /real', 'pick-a -> real/f', 'other'];
  assert.deepEqual(paths(walkHost(tree(files, { followPaths: ['l1'] }))), ['l1', 'l2', 'real/', 'real/f']);
  assert.deepEqual(paths(walkHost(tree(files, { followPaths: ['pick-*'] }))), ['pick-a', 'real/', 'real/f']);
  assert.deepEqual(paths(walkHost(tree(files, { followPaths: ['.'] }))).length, 6);
});

test('checksums of a host tree follow content and mode, not owner, mtime or place', async () => {
  const store = openStore(join(scratch, 'store-a'), [snapshotTables, CONTENT_HASH_TABLES]);
  const hasher = createContentHasher({ store, pool: noPool, snapshots: noView });
  const digest = async (host: HostTree, path: string) =>
    (await hasher.checksums({ ...host }, [{ path }], { signal: new AbortController().signal }))[0];
  const first = tree(['d/f', 'g']);
  const second = tree(['d/f', 'g']);
  utimesSync(join(second.root, 'd/f'), 1, 1);
  const before = await digest(first, '/d');
  assert.equal(await digest(second, '/d'), before);
  chmodSync(join(second.root, 'd/f'), 0o600);
  assert.notEqual(await digest(second, '/d'), before);
  writeFileSync(join(first.root, 'g'), 'changed');
  assert.equal(await digest(first, '/d'), before);
  assert.notEqual(await digest(first, '/'), await digest(second, '/'));
  await assert.rejects(digest(first, '/none'), { code: 'NOT_FOUND', message: '"/none": not found' });
  store.close();
});

test('the root of a host tree has a header only where nothing is shown', async () => {
  const store = openStore(join(scratch, 'store-c'), [snapshotTables, CONTENT_HASH_TABLES]);
  const hasher = createContentHasher({ store, pool: noPool, snapshots: noView });
  const digest = async (host: HostTree) =>
    (await hasher.checksums(host, [{ path: '/' }], { signal: new AbortController().signal }))[0];
  // As BuildKit v0.32.2 hashes an empty directory that is 0755 0:0, whatever the modes of the one left out here.
  const empty = 'sha256:0e5db88383bce812f795689f5318a2b2f4fde740ef31c2a2365a46368aafddd2';
  assert.equal(await digest(tree([])), empty);
  const hidden = tree(['a', 'd/b'], { excludePatterns: ['*'] });
  chmodSync(hidden.root, 0o700);
  assert.equal(await digest(hidden), empty);
  const shown = tree(['d/']);
  const below = await hasher.checksums(shown, [{ path: '/d' }], { signal: new AbortController().signal });
  assert.equal(await digest(shown), digestOf(`\0${digestOf('')}\0d${below[0]}`));
  store.close();
});

test('digests of settled files are remembered across processes, and forgotten when a file changes', async () => {
  const host = tree(['a', 'b']);
  // ctime cannot be set: wait until the files have settled.
  await new Promise((resolve) => setTimeout(resolve, 150));
  const ask = async (from: HostTree) => {
    const store = openStore(join(scratch, 'store-b'), [snapshotTables, CONTENT_HASH_TABLES]);
    const hasher = createContentHasher({ store, pool: noPool, snapshots: noView });
    const [digest] = await hasher.checksums({ ...from }, [{ path: '/' }], {
      signal: new AbortController().signal,
    });
    const rows = store.db.prepare('SELECT count(*) AS n FROM contenthash_host').get();
    store.db.exec('UPDATE contenthash_host SET digests = zeroblob(length(digests))');
    store.close();
    return { digest, rows: rows?.['n'] };
  };
  const first = await ask(host);
  assert.equal(first.rows, 1);
  const poisoned = await ask(host);
  assert.notEqual(poisoned.digest, first.digest, 'the remembered digests were used');
  utimesSync(join(host.root, 'a'), 5, 5);
  utimesSync(join(host.root, 'b'), 5, 5);
  const again = await ask(host);
  assert.equal(again.digest, first.digest, 'both files were read again');
});

test('hashHostFiles says which file went away', () => {
  const host = tree(['a']);
  assert.throws(() => hashHostFiles(host.root, ['/b/c']), {
    code: 'NOT_FOUND',
    message: 'b/c went away while it was read',
  });
});
