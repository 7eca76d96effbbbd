import assert from 'node:assert/strict';
import { test } from 'node:test';
import { colorsFrom } from './colors.ts';

test('colorsFrom takes names, light ones and RGB', () => {
  const { colors, problems } = colorsFrom({
    BUILDKIT_COLORS: 'run=light-green:cancel=255,165,0:ERROR=Magenta',
  });
  assert.deepEqual(problems, []);
  assert.equal(colors.run, '\u001b[92m');
  assert.equal(colors.cancel, '\u001b[38;5;214m');
  assert.equal(colors.error, '\u001b[35m');
  assert.equal(colors.warning, '\u001b[33m');
});

test('colorsFrom leaves out what it does not understand, and says so', () => {
  const { colors, problems } = colorsFrom({
    BUILDKIT_COLORS: 'run=puce:x=red:cancel=1,2:error=1,2,300:run=red=x',
  });
  assert.equal(problems.length, 5);
  assert.deepEqual(colors, colorsFrom({}).colors);
});

test('NO_COLOR takes all of them away, whatever else is set', () => {
  const { colors } = colorsFrom({ NO_COLOR: '1', BUILDKIT_COLORS: 'run=red' });
  assert.deepEqual(new Set(Object.values(colors)), new Set(['']));
  assert.equal(colorsFrom({ NO_COLOR: '' }).colors.run, '\u001b[34m');
});
