import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { removeAbandoned, temporaryName } from './temporary_name.ts';

const directory = mkdtempSync(join(tmpdir(), 'cairn-temporary-'));
after(() => rmSync(directory, { recursive: true, force: true }));

test('removeAbandoned removes files of processes that are gone, and no others', () => {
  const module = new URL('./temporary_name.ts', import.meta.url).href;
  const script = `import { temporaryName } from '${module}'; process.stdout.write(temporaryName());`;
  const dead = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  const mine = temporaryName();
  const [, place = ''] = /^\.cairn-([0-9a-f]+)-/.exec(mine) ?? [];
  // The id was taken by another process meanwhile.
  const reused = `.cairn-${place}-${process.pid}-1-0-0.tmp`;
  const elsewhere = '.cairn-0123456789ab-1-1-0-0.tmp';
  const longAgo = '.cairn-0123456789ab-1-1-0-1.tmp';
  for (const name of [dead, mine, reused, elsewhere, longAgo, 'other.tmp', '.cairn-x.tmp']) {
    writeFileSync(join(directory, name), '');
  }
  utimesSync(join(directory, longAgo), 1, 1);
  removeAbandoned(directory);
  assert.deepEqual(
    readdirSync(directory).toSorted(),
    [mine, elsewhere, 'other.tmp', '.cairn-x.tmp'].toSorted(),
  );
});

test('removeAbandoned does nothing where there is no directory', () =>
  removeAbandoned(join(directory, 'no')));
