import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cutToColumns } from './columns.ts';

test('cutToColumns counts columns, not characters', () => {
  assert.deepEqual(cutToColumns('abcdef', 4), { text: 'abcd', columns: 4 });
  assert.deepEqual(cutToColumns('漢字かな', 5), { text: '漢字', columns: 4 });
  assert.deepEqual(cutToColumns('ｱｲ ＡＢ', 7), { text: 'ｱｲ ＡＢ', columns: 7 });
  assert.deepEqual(cutToColumns('🚀a', 3), { text: '🚀a', columns: 3 });
  assert.deepEqual(cutToColumns('e\u0301te\u0301', 2), { text: 'e\u0301t', columns: 2 });
  assert.deepEqual(cutToColumns('naïve ✓ →', 9), { text: 'naïve ✓ →', columns: 9 });
});
