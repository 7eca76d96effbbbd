import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isArchive } from './archive.ts';
import { parseGitRef } from './git_ref.ts';

test('parseGitRef takes addresses apart', () => {
  const rows: [string, { remote: string; ref?: string; subdir?: string; host?: string; path?: string }][] = [
    [
      'https://github.com/a/b.git#main:x/../y',
      { remote: 'https://github.com/a/b.git', ref: 'main', subdir: 'y' },
    ],
    ['https://u:p@h:1/b.git?tag=v1', { remote: 'https://u:p@h:1/b.git', ref: 'refs/tags/v1', host: 'h:1' }],
    [
      'git@github.com:a/b.git?branch=d',
      { remote: 'git@github.com:a/b.git', ref: 'refs/heads/d', path: 'a/b.git' },
    ],
    ['https://u:p!@h/b c.git?', { remote: 'https://u:p%21@h/b%20c.git?', path: '/b c.git', host: 'h' }],
    ['https://\u00e9/%e9.git', { remote: 'https://%C3%A9/%e9.git', path: '/\udce9.git' }],
    ['https://[::1]:8/b.git', { remote: 'https://[::1]:8/b.git', host: '[::1]:8' }],
    ['HTTPS://h/b%20c.git', { remote: 'https://h/b%20c.git', path: '/b c.git' }],
    ['github.com/a/b', { remote: 'https://github.com/a/b', host: 'github.com' }],
    ['git://h/x#:sub', { remote: 'git://h/x', ref: '', subdir: 'sub' }],
  ];
  for (const [text, { remote, ref, subdir, host, path }] of rows) {
    const git = parseGitRef(text);
    assert.equal(git?.remote.remote, remote, text);
    if (ref !== undefined) assert.equal(git?.ref, ref, text);
    if (subdir !== undefined) assert.equal(git?.subdir, subdir, text);
    if (host !== undefined) assert.equal(git?.remote.host, host, text);
    if (path !== undefined) assert.equal(git?.remote.path, path, text);
  }
});

test('parseGitRef leaves paths and plain URLs alone', () => {
  for (const text of [
    '',
    './a',
    '../git@h:b',
    'a/b.git',
    'https://h/a.tar',
    'ftp://h/a.git',
    '/x',
    'https://h h/a.git',
    'https://h:1:2/a.git',
    'https://[1.2.3.4]/a.git',
    'https://a b@h/a.git',
    'https://h%41/a.git',
    'https://h/\x01.git',
    'https://h/a%zz.git',
  ]) {
    assert.equal(parseGitRef(text), undefined, text);
  }
});

test('parseGitRef refuses queries that mean nothing or contradict', () => {
  const rows: [string, RegExp][] = [
    ['foo=1', /unexpected query "foo"/],
    ['ref', /query "ref" has no value/],
    ['ref=a&ref=b', /query "ref" has multiple values/],
    ['ref=a&tag=b', /ref conflicts: "a" vs "refs\/tags\/b"/],
    ['tag=a&branch=b', /branch conflicts with tag/],
    ['submodules=x', /invalid submodules value: "x"/],
    ['mtime=now', /invalid mtime value: "now"/],
  ];
  for (const [query, message] of rows) {
    assert.throws(() => parseGitRef(`https://h/a.git?${query}`), message);
  }
});

test('isArchive knows compressed files and tars by their first bytes', () => {
  assert.ok(isArchive(Buffer.from([0x1f, 0x8b, 0x08])));
  assert.ok(isArchive(Buffer.from('BZh')));
  assert.ok(!isArchive(Buffer.from('FROM scratch\n')));
  assert.ok(!isArchive(Buffer.alloc(1024)));
  const tar = Buffer.alloc(1024);
  tar.write('name', 0);
  tar.write('0', 156);
  const sum = tar.subarray(0, 512).reduce((total, byte) => total + byte, 8 * 0x20);
  tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  assert.ok(isArchive(tar));
});
