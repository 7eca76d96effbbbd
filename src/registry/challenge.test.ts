import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseChallenges } from './challenge.ts';

test('parseChallenges reads quoted parameters with commas and escapes', () => {
  assert.deepEqual(
    parseChallenges(
      'Bearer realm="https://auth.example.com/token",service="r",scope="repository:a/b:pull,push",error="a \\"b\\""',
    ),
    [
      {
        scheme: 'bearer',
        parameters: {
          realm: 'https://auth.example.com/token',
          service: 'r',
          scope: 'repository:a/b:pull,push',
          error: 'a "b"',
        },
      },
    ],
  );
});

test('parseChallenges puts bearer first and leaves out what it cannot answer', () => {
  const header = 'Negotiate, Basic realm="x", Digest nonce=1';
  assert.deepEqual(
    parseChallenges(header).map((c) => c.scheme),
    ['basic'],
  );
  assert.deepEqual(
    parseChallenges('Basic realm="x", Bearer realm="https://t/"').map((c) => c.scheme),
    ['bearer', 'basic'],
  );
  assert.deepEqual(parseChallenges(undefined), []);
  assert.deepEqual(parseChallenges('""'), []);
});
