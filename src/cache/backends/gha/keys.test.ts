import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blobKey, ENTRY_VERSION, indexKey, numberedKey, numberOf } from './keys.ts';

test('keys are those that BuildKit v0.32.2 asks for', () => {
  assert.equal(ENTRY_VERSION, '693bb7016429d80366022f036f84856888c9f13e00145f5f6f4dce303a38d6f2');
  assert.equal(blobKey('sha256:ab'), 'buildkit-blob-1-sha256:ab');
  assert.equal(indexKey('buildkit', 'refs/heads/main'), 'index-buildkit-1-f921bd05');
  assert.equal(numberedKey('index-a-1-0', 7), 'index-a-1-0#7');
});

test('numberOf knows the entries of an index from all others', () => {
  assert.equal(numberOf('index-a-1-0', 'index-a-1-0#12'), 12);
  for (const other of ['index-a-1-0', 'index-a-1-0#', 'index-a-1-0-sig#1', 'index-a-1-0#x', 'index-b-1-0#1'])
    assert.equal(numberOf('index-a-1-0', other), undefined, other);
});
