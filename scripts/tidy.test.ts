/** The architecture as a test: which room may import which, and how long a file may be. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';

/** Imports point downwards in this list only. */
const ROOMS = [
  'cli',
  'drivers',
  'daemon',
  'session',
  'engine',
  'frontend',
  'exporters',
  'solver',
  'ops',
  'cache',
  'sources',
  'executor',
  'snapshots',
  'content',
  'registry',
  'llb',
  'store',
  'platform',
];
/** Any room may import these. */
const EVERYWHERE = ['errors', 'progress'];
/** Contracts of llb and content are data types of the field; every room may name them. */
const TYPES_EVERYWHERE = ['llb', 'content'];
const MAX_LINES = 400;
const FORBIDDEN_NAMES = /(^|[/_])(utils?|helpers?|common|manager|misc)([._/]|$)/;

const src = resolve(import.meta.dirname, '../src');
const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.startsWith('llb/gen/'))
  .map((file) => join(src, file));

function roomOf(file: string): string {
  return relative(src, file).split('/')[0] ?? '';
}

test('imports point from upper rooms to lower ones', () => {
  const wrong: string[] = [];
  for (const file of files) {
    const from = roomOf(file);
    if (from.endsWith('.ts')) continue;
    const text = readFileSync(file, 'utf8');
    for (const match of text.matchAll(
      /^(import|export)\s+(type\s+)?[^'";]*?from\s+'(\.[^']+)'|import\('(\.[^']+)'\)/gm,
    )) {
      const target = roomOf(resolve(dirname(file), match[3] ?? match[4] ?? ''));
      if (target === from || EVERYWHERE.includes(target)) continue;
      if (match[2] !== undefined && TYPES_EVERYWHERE.includes(target)) continue;
      const [a, b] = [ROOMS.indexOf(from), ROOMS.indexOf(target)];
      const typeInEvents = EVERYWHERE.includes(from) && match[2] !== undefined;
      if (!typeInEvents && (a === -1 || b === -1 || a > b)) {
        wrong.push(`${relative(src, file)} imports ${match[3] ?? match[4]}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
});

test('source files stay below the length limit', () => {
  const long = files
    .filter((file) => !file.endsWith('.test.ts'))
    .map((file) => [relative(src, file), readFileSync(file, 'utf8').split('\n').length] as const)
    .filter(([, lines]) => lines > MAX_LINES);
  assert.deepEqual(long, []);
});

test('files are named for their subject', () => {
  assert.deepEqual(
    files.map((file) => relative(src, file)).filter((file) => FORBIDDEN_NAMES.test(file)),
    [],
  );
});
