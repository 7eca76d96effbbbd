import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CairnError } from '../errors/error.ts';
import { normalizeBooleans } from './argv.ts';

const booleans = new Set(['--push', '--no-cache', '-q']);

test('normalizeBooleans keeps a flag that is set to true and drops one that is set to false', () => {
  assert.deepEqual(normalizeBooleans(['build', '--push=true', '--no-cache=false', '.'], { booleans }), [
    'build',
    '--push',
    '.',
  ]);
});

test('normalizeBooleans lets the last of several count', () => {
  assert.deepEqual(normalizeBooleans(['--push', '--push=false'], { booleans }), []);
  assert.deepEqual(normalizeBooleans(['--push=0', '--push=1'], { booleans }), ['--push']);
});

test('normalizeBooleans leaves flags with values and what follows -- alone', () => {
  const argv = ['--tag=push=true', '--', '--push=false'];
  assert.deepEqual(normalizeBooleans(argv, { booleans }), argv);
});

test('normalizeBooleans names the flag when the value is no boolean', () => {
  assert.throws(
    () => normalizeBooleans(['--push=yes'], { booleans }),
    (error: unknown) => error instanceof CairnError && /"yes" for "--push"/.test(error.message),
  );
});
