import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { rootPath } from './root_path.ts';

const root = mkdtempSync(join(tmpdir(), 'cairn-root-path-test-'));
after(() => rmSync(root, { recursive: true }));
mkdirSync(join(root, 'a/b'), { recursive: true });
symlinkSync('/a', join(root, 'absolute'));
symlinkSync('../../../../etc', join(root, 'a/up'));
symlinkSync('loop', join(root, 'loop'));

test('rootPath follows links inside the root', () => {
  assert.equal(rootPath(root, '/absolute/b'), join(root, 'a/b'));
  assert.equal(rootPath(root, 'absolute/../a/./b'), join(root, 'a/b'));
});

test('rootPath never leaves the root', () => {
  assert.equal(rootPath(root, '/a/up/passwd'), join(root, 'etc/passwd'));
  assert.equal(rootPath(root, '/../../x'), join(root, 'x'));
});

test('rootPath takes what is not there as it is written', () => {
  assert.equal(rootPath(root, '/no/where'), join(root, 'no/where'));
});

test('rootPath throws on a loop', () => {
  assert.throws(() => rootPath(root, '/loop'), /too many links/);
});
