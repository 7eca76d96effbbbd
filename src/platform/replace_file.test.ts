import assert from 'node:assert/strict';
import {
  lstatSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { renameTarget, replaceFile } from './replace_file.ts';
import { temporaryName } from './temporary_name.ts';

const root = mkdtempSync(join(tmpdir(), 'cairn-replace-'));
after(() => rmSync(root, { recursive: true, force: true }));

test('replaceFile replaces files and what links lead to, and removes what a killed process left', () => {
  const [file, link] = [join(root, 'file'), join(root, 'link')];
  const abandoned = temporaryName().replace(/-\d+-\d+-\d+\.tmp$/, '-1-0-0.tmp');
  writeFileSync(join(root, abandoned), '');
  const before = openInode(file, 'old');
  symlinkSync('file', link);
  replaceFile(link, 'new');
  assert.ok(lstatSync(link).isSymbolicLink());
  assert.equal(readFileSync(file, 'utf8'), 'new');
  assert.notEqual(lstatSync(file).ino, before, 'written over: a kill would leave half of it');
  assert.deepEqual(readdirSync(root).toSorted(), ['file', 'link']);
});

function openInode(path: string, content: string): number {
  writeFileSync(path, content);
  return lstatSync(path).ino;
}

test('devices are written to, not replaced', () => {
  const link = join(root, 'null');
  symlinkSync('/dev/null', link);
  assert.equal(renameTarget(link), undefined);
  assert.equal(renameTarget('/dev/stdout'), undefined);
  replaceFile(link, 'text');
  assert.ok(lstatSync(link).isSymbolicLink());
});

test('a failure leaves nothing', () => {
  assert.throws(() => replaceFile(join(root, 'nowhere/file'), ''), /ENOENT/);
  assert.equal(renameTarget(join(root, 'new')), join(root, 'new'));
});
