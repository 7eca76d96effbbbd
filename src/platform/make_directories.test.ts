import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeDirectories } from './make_directories.ts';

test('directories are made with those above them, and may be there', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'cairn-directories-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const path = join(root, 'a/b/c');
  makeDirectories(path, 0o700);
  makeDirectories(path);
  assert.equal(statSync(join(root, 'a')).mode & 0o777, 0o700);
  symlinkSync(path, join(root, 'link'));
  makeDirectories(join(root, 'link'));
  makeDirectories(join(root, 'link/d'));
  assert.ok(statSync(join(path, 'd')).isDirectory());

  writeFileSync(join(root, 'file'), '');
  assert.throws(() => makeDirectories(join(root, 'file')), { code: 'EEXIST' });
  assert.throws(() => makeDirectories(join(root, 'file/d')), { code: 'ENOTDIR' });
  symlinkSync('nowhere', join(root, 'dangling'));
  assert.throws(() => makeDirectories(join(root, 'dangling')), { code: 'EEXIST' });
});

test('a file system in which nothing can be made is an error', () => {
  assert.throws(() => makeDirectories('/proc/cairn/store'), { code: 'ENOENT' });
});
