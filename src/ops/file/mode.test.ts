import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMode } from './mode.ts';

const octal = (mode: number): string => mode.toString(8);

test('parseMode changes modes as chmod(1) does', () => {
  const rows: [string, number, boolean, number][] = [
    ['755', 0o644, false, 0o755],
    ['04751', 0, false, 0o4751],
    ['u=rwX,go=rX', 0o600, false, 0o644],
    ['u=rwX,go=rX', 0o700, false, 0o755],
    ['u=rwX,go=rX', 0o600, true, 0o755],
    ['go-rwx', 0o777, false, 0o700],
    ['a+x', 0o644, false, 0o755],
    ['+x', 0o644, false, 0o755],
    ['go=u', 0o750, false, 0o777],
    ['go=u-w', 0o644, false, 0o644],
    ['o=', 0o777, false, 0o770],
    ['u+s,+t', 0o755, false, 0o5755],
    ['g-s', 0o2755, true, 0o755],
    ['o+s', 0o755, false, 0o755],
  ];
  for (const [text, before, isDirectory, after] of rows) {
    assert.equal(octal(parseMode(text)(before, isDirectory)), octal(after), `${text} on ${octal(before)}`);
  }
});

test('parseMode refuses what is no mode', () => {
  for (const text of ['', 'u', 'u=,', '888', '100000', 'x', 'u=z', 'u+x,']) {
    assert.throws(() => parseMode(text), { code: 'USAGE', message: 'invalid syntax' }, text);
  }
});
