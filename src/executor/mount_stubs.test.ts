import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { watchMountStubs } from './mount_stubs.ts';

const scratch = mkdtempSync(join(tmpdir(), 'cairn-stubs-test-'));
after(() => rmSync(scratch, { recursive: true }));

function tree(name: string): string {
  const root = join(scratch, name);
  mkdirSync(join(root, 'etc'), { recursive: true });
  return root;
}

test('watchMountStubs removes empty stubs with their parents, and keeps times', () => {
  const root = tree('empty');
  const remove = watchMountStubs(root, ['/etc/hosts', '/a/b/c'], true);
  writeFileSync(join(root, 'etc/hosts'), '');
  utimesSync(join(root, 'etc'), 1000, 1000);
  mkdirSync(join(root, 'a/b/c'), { recursive: true });
  remove();
  assert(!existsSync(join(root, 'etc/hosts')));
  assert(!existsSync(join(root, 'a')));
  assert.equal(statSync(join(root, 'etc')).mtimeMs, 1_000_000);
});

test('watchMountStubs keeps what was there, and what was filled', () => {
  const root = tree('kept');
  writeFileSync(join(root, 'etc/hosts'), '');
  const remove = watchMountStubs(root, ['/etc/hosts', '/a/b/c', '/f'], true);
  mkdirSync(join(root, 'a/b/c'), { recursive: true });
  writeFileSync(join(root, 'a/other'), '');
  writeFileSync(join(root, 'f'), 'content');
  remove();
  assert(existsSync(join(root, 'etc/hosts')));
  assert(!existsSync(join(root, 'a/b')));
  assert(existsSync(join(root, 'a/other')));
  assert(existsSync(join(root, 'f')));
});

test('watchMountStubs leaves parents when not recursive', () => {
  const root = tree('flat');
  const remove = watchMountStubs(root, ['/a/b'], false);
  mkdirSync(join(root, 'a/b'), { recursive: true });
  remove();
  assert(existsSync(join(root, 'a')));
  assert(!existsSync(join(root, 'a/b')));
});
