import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { TarWriter } from '../tar/writer.ts';
import { copyUnchanged } from './file_content.ts';
import { lstat } from './file_info.ts';

const root = mkdtempSync(join(tmpdir(), 'cairn-file-content-'));
after(() => rmSync(root, { recursive: true, force: true }));
const path = join(root, 'file');

/** What is written of the file, when `change` happens between the look at it and the reading. */
function copied(change: () => void): Buffer {
  writeFileSync(path, 'content');
  utimesSync(path, 1e9, 1e9);
  const info = lstat(path);
  assert(info);
  change();
  const chunks: Uint8Array[] = [];
  const writer = new TarWriter((chunk) => chunks.push(chunk));
  copyUnchanged(writer, path, info);
  writer.end();
  return Buffer.concat(chunks);
}

test('copyUnchanged writes the content in whole blocks', () => {
  const bytes = copied(() => {});
  assert.equal(bytes.length, 3 * 512);
  assert.equal(bytes.toString('latin1').replaceAll('\0', ''), 'content');
});

test('copyUnchanged fails when the file is not what it was', () => {
  const changes: Record<string, () => void> = {
    shorter: () => truncateSync(path, 3),
    longer: () => writeFileSync(path, 'content and more'),
    'as long, at another time': () => writeFileSync(path, 'CONTENT'),
    'another file': () => {
      writeFileSync(`${path}2`, 'CONTENT');
      utimesSync(`${path}2`, 1e9, 1e9);
      renameSync(`${path}2`, path);
    },
  };
  for (const [name, change] of Object.entries(changes)) {
    assert.throws(() => copied(change), { code: 'SOLVE', message: /became shorter|changed/ }, name);
  }
  assert.throws(() => copied(() => rmSync(path)), { code: 'ENOENT' });
});
