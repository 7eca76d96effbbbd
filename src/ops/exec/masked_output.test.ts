import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMask } from './masked_output.ts';

function masked(secrets: string[], pieces: string[]): string {
  let out = '';
  const mask = createMask(
    secrets.map((secret) => Buffer.from(secret)),
    (data) => (out += Buffer.from(data).toString()),
  );
  for (const piece of pieces) mask.write(Buffer.from(piece));
  mask.end();
  return out;
}

test('createMask replaces values, also across pieces', () => {
  assert.equal(masked(['secret\n'], ['a secret b', ' sec', 'ret', ' secre', 'ts']), 'a xxxxx b xxxxx xxxxxs');
});

test('createMask replaces the longer of two values', () => {
  assert.equal(masked(['token', 'token-long'], ['token-long token']), 'xxxxx xxxxx');
});

test('createMask passes on what only looks like the beginning of a value', () => {
  assert.equal(masked(['secret'], ['sec', 'ond', ' sec']), 'second sec');
});

test('createMask leaves short values alone', () => {
  assert.equal(masked(['ab'], ['abab']), 'abab');
});
