import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CairnError } from '../../../errors/error.ts';
import { DockerfileError, lineRanges, locationsOf, setLocation, withLocation, wrapError } from './error.ts';

test('withLocation adds ranges after those there, setLocation replaces them', () => {
  const first = withLocation(new DockerfileError('a'), lineRanges(1, 2));
  const second = withLocation(wrapError(first, 'b'), lineRanges(3, 0));
  assert.equal(second.message, 'b: a');
  assert.deepEqual(locationsOf(second), [lineRanges(1, 2), lineRanges(3, 3)]);
  assert.deepEqual(locationsOf(setLocation(second, lineRanges(4, 4))), [lineRanges(4, 4)]);
  assert.equal(locationsOf(new DockerfileError('a')), undefined);
});

test('withLocation keeps code, hint and the error that it stands for', () => {
  const cause = new CairnError('gone', { code: 'NOT_FOUND', hint: 'look' });
  const located = withLocation(withLocation(cause, lineRanges(1, 1)), lineRanges(2, 2));
  assert.deepEqual([located.message, located.code, located.hint], ['gone', 'NOT_FOUND', 'look']);
  assert.equal(located.cause, cause);
});
