import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromEnvironment } from './environment.ts';
import { jobToken } from './test_token.ts';

const token = jobToken({ 'refs/heads/main': 3 });
const readOnly = jobToken({ 'refs/pull/1/merge': 1, 'refs/heads/main': 1 });
const job = {
  ACTIONS_RESULTS_URL: 'https://results.example.com/',
  ACTIONS_CACHE_URL: 'https://artifactcache.example.com/x/',
  ACTIONS_RUNTIME_TOKEN: token,
  ACTIONS_CACHE_SERVICE_V2: 'True',
};

function droppedBecause(result: ReturnType<typeof fromEnvironment>): string {
  assert.ok('dropped' in result);
  return result.dropped;
}

test('fromEnvironment takes token and URLs of the job, those of version 2 where the job says so', () => {
  const url = job.ACTIONS_CACHE_URL;
  const two = { scope: 'a', token, url, url_v2: job.ACTIONS_RESULTS_URL };
  assert.deepEqual(fromEnvironment({ scope: 'a' }, job, 'to'), { attrs: two });
  for (const service of ['', 'false', '0']) {
    const env = { ...job, ACTIONS_CACHE_SERVICE_V2: service };
    assert.deepEqual(fromEnvironment({}, env, 'from'), { attrs: { token, url } }, service);
  }
  const yes = fromEnvironment({ scope: 'a' }, { ...job, ACTIONS_CACHE_SERVICE_V2: 'yes' }, 'to');
  assert.deepEqual(yes, { attrs: two });
});

test('fromEnvironment takes the results service for url where there is nothing else', () => {
  const { ACTIONS_CACHE_URL: _, ...env } = job;
  const attrs = { version: '1', token, url: job.ACTIONS_RESULTS_URL };
  assert.deepEqual(fromEnvironment({ version: '1' }, env, 'to'), { attrs });
});

test('fromEnvironment leaves alone what is given', () => {
  const own = jobToken({ mine: 3 });
  const attrs = { token: own, url: 'https://a.example.com', url_v2: 'https://b.example.com' };
  assert.deepEqual(fromEnvironment(attrs, job, 'to'), { attrs });
});

test('fromEnvironment says what is missing, and why it may be', () => {
  assert.match(
    droppedBecause(fromEnvironment({}, {}, 'to')),
    /^ACTIONS_RUNTIME_TOKEN \(or token=\) and ACTIONS_RESULTS_URL \(or url_v2=\) not set: this is not a GitHub job$/,
  );
  const env = { ACTIONS_RESULTS_URL: 'https://x.example.com', GITHUB_ACTIONS: 'true' };
  assert.match(droppedBecause(fromEnvironment({}, env, 'from')), /^ACTIONS_RUNTIME_TOKEN .*run: steps/);
});

test('fromEnvironment drops what ACTIONS_CACHE_MODE forbids', () => {
  const allowed: Record<string, string[]> = {
    read: ['from'],
    write: ['to', 'from'],
    'write-only': ['to'],
    none: [],
    '': ['to', 'from'],
  };
  for (const [mode, sides] of Object.entries(allowed)) {
    for (const side of ['to', 'from'] as const) {
      const result = fromEnvironment({}, { ...job, ACTIONS_CACHE_MODE: mode }, side);
      assert.equal('attrs' in result, sides.includes(side), `${mode} ${side}`);
      if ('dropped' in result) assert.match(result.dropped, new RegExp(`^ACTIONS_CACHE_MODE=${mode}: `));
    }
  }
  // It is not about the token of another repository.
  const other = { token: jobToken({ x: 3 }) };
  assert.ok('attrs' in fromEnvironment(other, { ...job, ACTIONS_CACHE_MODE: 'none' }, 'to'));
});

test('fromEnvironment drops an export with a token that may only read, and keeps the import', () => {
  const env = { ...job, ACTIONS_RUNTIME_TOKEN: readOnly };
  assert.match(droppedBecause(fromEnvironment({}, env, 'to')), /no scope that it may write to/);
  assert.ok('attrs' in fromEnvironment({}, env, 'from'));
});

test('fromEnvironment keeps an export that must not fail silently', () => {
  const env = { ...job, ACTIONS_RUNTIME_TOKEN: readOnly };
  assert.ok('attrs' in fromEnvironment({ 'ignore-error': 'false' }, env, 'to'));
});
