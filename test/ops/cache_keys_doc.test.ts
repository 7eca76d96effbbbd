import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const page = readFileSync(join(import.meta.dirname, '../../docs/cache-keys.md'), 'utf8');

test('every example of docs/cache-keys.md has the digest that it claims', () => {
  const blocks = [...page.matchAll(/```key\n([^]*?)\n→ (sha256:[0-9a-f]{64})\n```/g)];
  assert.equal(blocks.length, page.split('```key').length - 1, 'every block could be read');
  assert.ok(blocks.length >= 20);
  for (const [, shown = '', digest] of blocks) {
    const bytes = shown.replaceAll('\n', '').replaceAll('␀', '\0').replaceAll('⏎', '\n');
    assert.equal(`sha256:${createHash('sha256').update(bytes).digest('hex')}`, digest, shown);
  }
});

test('every digest of docs/cache-keys.md is one of the golden data', () => {
  const golden = [
    'stage-reuse-names',
    'copy-chown',
    'run-shell',
    'mount-cache-ns',
    'copy-wildcards',
    'add-git-local',
    'add-git',
    'add-http-local',
  ]
    .map((name) => readFileSync(join(import.meta.dirname, `../conformance/cachemaps/${name}.json`), 'utf8'))
    .concat(readFileSync(join(import.meta.dirname, '../conformance/contenthash/cases.json'), 'utf8'))
    .join('');
  for (const [, digest = ''] of page.matchAll(/→ (sha256:[0-9a-f]{64})/g)) {
    assert.ok(golden.includes(digest), digest);
  }
});
