import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileNameFor, safeFileName } from './file_name.ts';

test('safeFileName keeps names and replaces what is none', () => {
  const cases: [string, string][] = [
    ['foo.txt', 'foo.txt'],
    ['  foo.txt ', 'foo.txt'],
    ['a/b/c.txt', 'c.txt'],
    ['資料.txt', '資料.txt'],
    ['', 'download'],
    ['.', 'download'],
    ['..', 'download'],
    ['../', 'download'],
    ['a\0b', 'download'],
    ['a\nb', 'download'],
  ];
  for (const [text, expected] of cases) assert.equal(safeFileName(text), expected, JSON.stringify(text));
});

test('fileNameFor asks attribute, Content-Disposition and URL in this order', () => {
  const url = 'https://example.com/dir/a%20b.tar?x=/y#/z';
  assert.equal(fileNameFor(url, 'given', 'attachment; filename=other'), 'given');
  assert.equal(fileNameFor(url, '', 'attachment; filename="../ot\\"her.txt"'), 'ot"her.txt');
  assert.equal(fileNameFor(url, '', "attachment; filename=x; filename*=UTF-8''%e2%82%ac.txt"), '€.txt');
  assert.equal(fileNameFor(url, '', 'attachment'), 'a b.tar');
  assert.equal(fileNameFor(url, '', 'attachment; filename="dir/"'), 'a b.tar');
  assert.equal(fileNameFor('https://example.com/', '', undefined), 'download');
  assert.equal(fileNameFor('https://example.com', '', undefined), 'download');
  assert.equal(fileNameFor('https://example.com/a/..', '', undefined), 'download');
});
