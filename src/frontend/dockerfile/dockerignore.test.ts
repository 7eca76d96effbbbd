import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CairnError } from '../../errors/error.ts';
import { parseDockerignore } from './dockerignore.ts';

test('parseDockerignore cleans patterns and leaves out comments and blank lines', () => {
  const table: [string, string[]][] = [
    ['', []],
    ['\ufeffa\r\n\r\n# c\n  # pattern\nb/\n', ['a', '# pattern', 'b']],
    ['/a/../b/./c//d', ['b/c/d']],
    ['/\n!\n! /x/ \n!!y', ['/', '!', '!x', '!!y']],
    ['../a\n.\n./', ['../a', '.', '.']],
    ['**/*.go\n[a-\n\u00a0q\u0085', ['**/*.go', '[a-', 'q']],
  ];
  for (const [text, want] of table) assert.deepEqual(parseDockerignore(Buffer.from(text)), want, text);
});

test('parseDockerignore refuses a line of 64 KiB', () => {
  assert.equal(parseDockerignore(Buffer.from(`${'a'.repeat(65535)}\nb`)).length, 2);
  assert.throws(() => parseDockerignore(Buffer.from('a'.repeat(65536))), CairnError);
});
