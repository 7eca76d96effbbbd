/** Every dependency is on the list in docs/dependencies.md, and nothing else is. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

interface Package {
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
}

test('docs/dependencies.md gives a reason for each dependency', () => {
  const root = join(import.meta.dirname, '..');
  const { dependencies, optionalDependencies, devDependencies } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  ) as Package;
  const used = Object.keys({ ...dependencies, ...optionalDependencies, ...devDependencies }).sort();
  const rows = readFileSync(join(root, 'docs/dependencies.md'), 'utf8').split('\n');
  const listed = rows
    .filter((row) => row.startsWith('| `'))
    .flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? ''))
    .sort();
  assert.deepEqual(listed, used);
});
