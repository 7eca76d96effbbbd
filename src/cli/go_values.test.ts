import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDuration, parseMemory } from './go_values.ts';

test('parseMemory reads units as powers of 1024', () => {
  const table: [string, number][] = [
    ['0', 0],
    ['512', 512],
    ['64m', 64 * 1024 ** 2],
    ['1.5g', 1.5 * 1024 ** 3],
    ['10GB', 10 * 1024 ** 3],
    ['2KiB', 2048],
  ];
  for (const [text, bytes] of table) assert.equal(parseMemory(text, '--shm-size'), bytes, text);
  for (const bad of ['', 'x', '-1', '1x'])
    assert.throws(() => parseMemory(bad, '--shm-size'), /invalid size/, bad);
});

test('parseDuration adds up numbers with units', () => {
  const table: [string, number][] = [
    ['72h', 72 * 3_600_000],
    ['1h30m', 5_400_000],
    ['500ms', 500],
    ['0', 0],
  ];
  for (const [text, ms] of table) assert.equal(parseDuration(text, 'until'), ms, text);
  for (const bad of ['', '5', '1d', 'h'])
    assert.throws(() => parseDuration(bad, 'until'), /invalid duration/, bad);
});
