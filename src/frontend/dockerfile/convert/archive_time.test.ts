import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { newestFileTime } from './archive_time.ts';

const directory = mkdtempSync(join(tmpdir(), 'cairn-archive-time-'));
after(() => rmSync(directory, { recursive: true, force: true }));

function tar(name: string, ...flags: string[]): Uint8Array {
  execFileSync('tar', ['-cf', name, ...flags, '-C', 'tree', '.'], { cwd: directory });
  return readFileSync(join(directory, name));
}

test('newestFileTime is the newest file of an archive, directories and links aside', async () => {
  const tree = join(directory, 'tree');
  mkdirSync(join(tree, 'd'), { recursive: true });
  writeFileSync(join(tree, 'old'), 'o');
  writeFileSync(join(tree, 'd', 'new'), 'n');
  symlinkSync('old', join(tree, 'link'));
  utimesSync(join(tree, 'old'), 1_000_000_000, 1_000_000_000);
  utimesSync(join(tree, 'd', 'new'), 1_500_000_000.75, 1_500_000_000.75);
  for (const [name, ...flags] of [
    ['plain'],
    ['pax', '--format=pax'],
    ['gz', '-z'],
    ['bz2', '-j'],
    ['xz', '-J'],
  ]) {
    assert.equal(await newestFileTime(tar(name ?? '', ...flags)), 1_500_000_000n, name);
  }
});

test('newestFileTime knows none for what is no whole archive, and for one without files', async () => {
  const bytes = tar('cut');
  assert.equal(await newestFileTime(bytes.subarray(0, 1200)), undefined);
  assert.equal(await newestFileTime(Buffer.from('no archive')), undefined);
  assert.equal(await newestFileTime(new Uint8Array()), undefined);
  rmSync(join(directory, 'tree'), { recursive: true });
  mkdirSync(join(directory, 'tree'));
  assert.equal(await newestFileTime(tar('empty')), undefined);
});
