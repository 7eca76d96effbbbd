import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CairnError } from '../errors/error.ts';
import { commandName, normalizeFlags, type KnownOption } from './argv.ts';

const flag = (long: string): KnownOption => ({ long, takesValue: false });
const value = (long: string): KnownOption => ({ long, takesValue: true });
const known = new Map([
  ['--push', flag('--push')],
  ['--no-cache', flag('--no-cache')],
  ['--quiet', flag('--quiet')],
  ['-q', flag('--quiet')],
  ['--tag', value('--tag')],
  ['-t', value('--tag')],
  ['--root', value('--root')],
]);

const normalize = (...argv: string[]) => normalizeFlags(argv, known);

test('normalizeFlags keeps a flag that is set to true and drops one that is set to false', () => {
  assert.deepEqual(normalize('build', '--push=true', '--no-cache=false', '.'), ['build', '--push', '.']);
});

test('normalizeFlags lets the last of several count, by either name', () => {
  assert.deepEqual(normalize('--push', '--push=false'), []);
  assert.deepEqual(normalize('--push=0', '--push=1'), ['--push']);
  assert.deepEqual(normalize('-q', '--quiet=false'), []);
  assert.deepEqual(normalize('--quiet', '-q=f'), []);
});

test('normalizeFlags takes values after a space, after = and after the letter', () => {
  for (const argv of [['--tag', 'a'], ['--tag=a'], ['-t', 'a'], ['-ta'], ['-t=a']])
    assert.deepEqual(normalize(...argv), ['--tag=a']);
  assert.deepEqual(normalize('-qt', 'a'), ['--quiet', '--tag=a']);
  assert.deepEqual(normalize('-qt=a=b'), ['--quiet', '--tag=a=b']);
  assert.deepEqual(normalize('--tag='), ['--tag=']);
});

test('normalizeFlags takes a flag for the value of the one before, as pflag does', () => {
  assert.deepEqual(normalize('--tag', '--push=false'), ['--tag=--push=false']);
  assert.deepEqual(normalize('--push', '-t', '--', '.'), ['--push', '--tag=--', '.']);
  assert.deepEqual(normalize('.', '-t'), ['.', '--tag']);
});

test('normalizeFlags leaves alone what it does not know, a lone dash, and what follows --', () => {
  const argv = ['--nosuch=push=true', '-x', '-', '--', '--push=false', '-t'];
  assert.deepEqual(normalize(...argv), argv);
});

test('normalizeFlags names the flag when the value is no boolean', () => {
  assert.throws(
    () => normalize('--push=yes'),
    (error: unknown) => error instanceof CairnError && /"yes" for "--push"/.test(error.message),
  );
});

test('commandName passes over flags and their values', () => {
  assert.equal(commandName(['--root', 'x', '-q', 'build', '.'], known), 'build');
  assert.equal(commandName(['--root=x', 'du'], known), 'du');
  assert.equal(commandName(['--root', 'x'], known), undefined);
});
