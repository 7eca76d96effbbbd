import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ago, humanSize } from './usage_table.ts';

test('humanSize shows four significant digits in powers of 1000', () => {
  const table: [number, string][] = [
    [0, '0B'],
    [999, '999B'],
    [1234, '1.234kB'],
    [12_345_678, '12.35MB'],
    [1_000_000_000, '1GB'],
  ];
  for (const [bytes, text] of table) assert.equal(humanSize(bytes), text);
});

test('ago rounds as docker does', () => {
  const now = new Date(1e12);
  const before = (seconds: number) => ago(new Date(1e12 - seconds * 1000), now);
  assert.equal(before(0), 'Less than a second ago');
  assert.equal(before(45), '45 seconds ago');
  assert.equal(before(70), 'About a minute ago');
  assert.equal(before(3600), 'About an hour ago');
  assert.equal(before(3600 * 49), '2 days ago');
  assert.equal(before(3600 * 24 * 20), '2 weeks ago');
});
