import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jobToken, unsignedToken } from './test_token.ts';
import { checkExpiry, parseToken, writableScope } from './token.ts';

test('parseToken reads scopes and permissions in their order', () => {
  const token = parseToken(jobToken({ 'refs/pull/1/merge': 3, 'refs/heads/main': 1 }));
  assert.deepEqual(token.scopes, [
    { scope: 'refs/pull/1/merge', read: true, write: true },
    { scope: 'refs/heads/main', read: true, write: false },
  ]);
  assert.equal(writableScope(token), 'refs/pull/1/merge');
});

test('writableScope is the last one, as for BuildKit, and none of a token that may only read', () => {
  assert.equal(writableScope(parseToken(jobToken({ a: 2, b: 3, c: 1 }))), 'b');
  assert.equal(writableScope(parseToken(jobToken({ a: 1 }))), undefined);
});

test('parseToken refuses what is no runtime token, and says what one is', () => {
  for (const [token, message] of [
    ['ghp_abcdef', /is not a JSON Web Token/],
    ['a.b.c', /is not a JSON Web Token/],
    [unsignedToken({ exp: 1 }), /no access controls/],
    [unsignedToken({ ac: 'nonsense' }), /no access controls/],
  ] as const) {
    assert.throws(() => parseToken(token), { code: 'USAGE', message, hint: /ACTIONS_RUNTIME_TOKEN/ });
  }
});

test('parseToken leaves out entries that it cannot read', () => {
  const ac = JSON.stringify([null, 3, { Scope: 1, Permission: 1 }, { Scope: 'x', Permission: 2 }]);
  assert.deepEqual(parseToken(unsignedToken({ ac })).scopes, [{ scope: 'x', read: false, write: true }]);
});

test('checkExpiry refuses an expired token only', () => {
  const ac = '[]';
  assert.throws(() => checkExpiry(parseToken(unsignedToken({ ac, exp: 1_700_000_000 }))), {
    code: 'DENIED',
    message: /expired at 2023-11-14T22:13:20.000Z/,
  });
  checkExpiry(parseToken(unsignedToken({ ac, exp: 4_000_000_000 })));
  checkExpiry(parseToken(unsignedToken({ ac })));
});
