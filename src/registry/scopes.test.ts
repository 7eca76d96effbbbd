import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normalizeScopes, scopesContain } from './scopes.ts';

test('normalizeScopes joins and sorts, and keeps names with ports', () => {
  assert.deepEqual(
    normalizeScopes([
      'repository:b:pull',
      'repository:a:push,pull repository:b:push',
      '',
      'repository:h:5000/x:pull',
      'registry:catalog:*',
    ]),
    ['registry:catalog:*', 'repository:a:pull,push', 'repository:b:pull,push', 'repository:h:5000/x:pull'],
  );
});

test('scopesContain compares resource by resource', () => {
  const granted = ['repository:a:pull,push', 'repository:b:pull'];
  assert.equal(scopesContain(granted, ['repository:a:pull']), true);
  assert.equal(scopesContain(granted, ['repository:b:pull', 'repository:a:push']), true);
  assert.equal(scopesContain(granted, ['repository:b:push']), false);
  assert.equal(scopesContain(granted, ['repository:c:pull']), false);
});
