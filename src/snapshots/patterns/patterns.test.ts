import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toBinary } from '../names.ts';
import { base, clean, dir, join } from './go_path.ts';
import { match, matchFile } from './match.ts';
import { PatternMatcher } from './pattern_matcher.ts';

test('clean gives the shortest equivalent path', () => {
  const rows = {
    '': '.',
    'a//b/': 'a/b',
    './a': 'a',
    'a/../..': '..',
    '/..': '/',
    '/a/./b/../c': '/a/c',
    '..a': '..a',
  };
  for (const [given, wanted] of Object.entries(rows)) assert.equal(clean(given), wanted, given);
});

test('join, dir and base split and join as Go does', () => {
  assert.equal(join('', ''), '');
  assert.equal(join('/', 'a', '../b/'), '/b');
  assert.deepEqual([dir('a'), dir('/a'), dir('a/b/'), dir('')], ['.', '/', 'a/b', '.']);
  assert.deepEqual([base(''), base('//'), base('a/b/'), base('/')], ['.', '/', 'b', '/']);
});

test('match agrees with filepath.Match', () => {
  const rows: [string, string, boolean][] = [
    ['abc', 'abc', true],
    ['*', 'abc', true],
    ['*c', 'abc', true],
    ['a*', 'a', true],
    ['a*', 'ab/c', false],
    ['a*/b', 'abc/b', true],
    ['a*/b', 'a/c/b', false],
    ['a*b*c*d*e*/f', 'axbxcxdxe/f', true],
    ['a*b*c*d*e*/f', 'axbxcxdxexxx/fff', false],
    ['a*b?c*x', 'abxbbxdbxebxczzx', true],
    ['ab[c]', 'abc', true],
    ['ab[b-d]', 'abc', true],
    ['ab[^e-g]', 'abc', true],
    ['ab[^b-d]', 'abc', false],
    ['a\\*b', 'a*b', true],
    ['a\\*b', 'ab', false],
    ['a?b', 'a☺b', true],
    ['a[^a]b', 'a☺b', true],
    ['a???b', 'a☺b', false],
    ['[a-ζ]*', 'α', true],
    ['*[a-ζ]', 'A', false],
    ['a?b', 'a/b', false],
    ['a*b', 'a/b', false],
    ['[\\]a]', ']', true],
    ['[\\-]', '-', true],
    ['[x\\-]', 'z', false],
    ['*x', 'xxx', true],
    ['', '', true],
    ['', 'a', false],
    ['[^a]', '\ufffd', true],
    // As bytes: what follows a star may begin inside a character.
    ['*??', '日', true],
    ['*??', 'é', false],
  ];
  for (const [pattern, name, wanted] of rows)
    assert.equal(match(toBinary(pattern), toBinary(name)), wanted, `${pattern} ${name}`);
});

test('match throws for malformed patterns even after a mismatch', () => {
  for (const pattern of [
    '[]a]',
    '[-]',
    '[x-]',
    '[-x]',
    '\\',
    '[a-b-c]',
    '[',
    '[^',
    '[^bc',
    'a[',
    'b[a',
    'x*[',
  ]) {
    assert.throws(() => match(pattern, 'a'), { message: 'syntax error in pattern' }, pattern);
  }
});

test('match takes bytes that are not UTF-8 for characters of their own', () => {
  assert.equal(match('??', '\xe6\x97'), true);
  assert.equal(match('?', '\xe6\x97'), false);
  assert.equal(match(toBinary('[\ufffd]'), '\xff'), true);
  assert.throws(() => match('[\xff]', 'a'), { message: 'syntax error in pattern' });
});

test('matchFile leaves a rest unread that cannot match any more', () => {
  assert.equal(matchFile('a*[', 'x'), false);
  assert.throws(() => match('a*[', 'x'), { message: 'syntax error in pattern' });
  assert.throws(() => matchFile('a[', 'x'), { message: 'syntax error in pattern' });
});

/** Rows whose third column is the answer for path and parents together. */
const ROWS: [string[], string, boolean][] = [
  [['**'], 'dir/file', true],
  [['**/'], 'file', true],
  [['**/**'], 'dir/file', true],
  [['dir/**'], 'dir/dir2/file', true],
  [['dir/**'], 'dir', false],
  [['**/dir2/*'], 'dir/dir2/file', true],
  [['**/dir2/*'], 'dir/dir2/dir2/file', true],
  [['**file'], 'dir/file', true],
  [['**/file'], 'file', true],
  [['**/file'], 'dir/xfile', false],
  [['a**/b'], 'axx/yy/b', true],
  [['a/**/b'], 'a/b', true],
  [['a/**/b'], 'ab', false],
  [['*.go'], 'a/b.go', false],
  [['**/*.go'], 'b.go', true],
  [['a'], 'a/b/c', true],
  [['a', '!a/b'], 'a/b/c', false],
  [['a', '!a/b', 'a/b/c'], 'a/b/c', true],
  [['*', '!README*', 'README-secret.md'], 'README.md', false],
  [['*', '!README*', 'README-secret.md'], 'README-secret.md', true],
  [['  docs/ '], 'docs/x', true],
  [['', '  '], 'x', false],
  [['a.b'], 'axb', false],
  [['a\\*b'], 'a*b', true],
  [['a?'], 'ab', true],
  [['a?'], 'a/', false],
  [['[a-c]x'], 'bx', true],
  [['[^a]x'], 'ax', false],
  [['[^a]x'], '/x', true],
  [['a+b*'], 'a+bc', true],
  [['(x)*'], '(x)y', true],
  [['!a'], 'a', false],
  [['**', '!util/docker/web'], 'util/docker/web/foo', false],
  [['**', '!util/docker/web', 'util/docker/web/foo'], 'util/docker/web/foo', true],
  [['☃*'], '☃x', true],
  [['?'], '𝒳', true],
  [['./a/../b'], 'b', true],
  [['[[:digit:]]*'], '7up', true],
];

test('matchesOrParentMatches follows order, exceptions and parents', () => {
  for (const [patterns, path, wanted] of ROWS) {
    assert.equal(
      new PatternMatcher(patterns).matchesOrParentMatches(path),
      wanted,
      `${patterns.join(' ')} | ${path}`,
    );
  }
});

test('matchesUsingParentResults gives the same answers with and without parents', () => {
  for (const [patterns, path, wanted] of ROWS) {
    const matcher = new PatternMatcher(patterns);
    assert.equal(matcher.matchesUsingParentResults(path, undefined).matched, wanted, path);
    const parts = path.split('/');
    let parent;
    let matched = false;
    for (let i = 1; i <= parts.length; i++) {
      const result = matcher.matchesUsingParentResults(parts.slice(0, i).join('/'), parent);
      parent = result.info;
      matched = result.matched;
    }
    if (!path.startsWith('/') && !path.endsWith('/')) assert.equal(matched, wanted, path);
  }
});

test('operators that the original leaves unescaped keep their meaning', () => {
  const one = (pattern: string, path: string) => new PatternMatcher([pattern]).matchesOrParentMatches(path);
  assert.equal(one('a{2}b*', 'aabx'), true);
  assert.equal(one('a{2}b*', 'a{2}bx'), false);
  assert.equal(one('\\d', '7'), true);
  assert.equal(one('x|[y]z', 'yz'), true);
  assert.equal(one('\\x{41}\\x42', 'AB'), true);
  assert.equal(one('\\p{Lu}\\p{Greek}', 'Aα'), true);
  assert.equal(one('\\P{^Greek}', 'a'), false);
  assert.throws(() => one('[z-a]', 'x'), { message: 'syntax error in pattern' });
  assert.throws(() => one('\\q', 'x'), { message: 'syntax error in pattern' });
  assert.throws(() => one('\\p{Klingon}', 'x'), { message: 'syntax error in pattern' });
});

test('the constructor refuses a lone exclamation mark and broken brackets', () => {
  assert.throws(() => new PatternMatcher(['!']), { message: 'illegal exclusion pattern: "!"' });
  assert.throws(() => new PatternMatcher(['[']), { message: 'syntax error in pattern' });
});

test('a pattern that turns out malformed when it is used is named with its option', () => {
  const late = new PatternMatcher(['x*[b-a]'], 'excludepatterns');
  assert.throws(() => late.matchesUsingParentResults('a', undefined), {
    message: 'failed to match excludepatterns: syntax error in pattern',
  });
  assert.equal(new PatternMatcher(['**/*\\']).matchesUsingParentResults('a', undefined).matched, false);
});
