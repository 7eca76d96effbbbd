import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIdMaps } from './id_maps.ts';

const ALL = '         0          0 4294967295\n';

test('parseIdMaps knows every id outside of user namespaces', () => {
  const maps = parseIdMaps(ALL, ALL);
  assert.equal(maps.all, true);
  assert.equal(maps.has(4_294_967_294, 0), true);
});

test('parseIdMaps knows the ids that a user namespace has', () => {
  const maps = parseIdMaps('0 1000 1\n1 100000 65536\n', '0 1000 1\n1 100000 10\n');
  assert.equal(maps.all, false);
  assert.equal(maps.has(0, 0), true);
  assert.equal(maps.has(65_536, 10), true);
  assert.equal(maps.has(65_537, 0), false);
  assert.equal(maps.has(0, 11), false);
  assert.equal(parseIdMaps(ALL, '0 1000 1\n').all, false);
});
