import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dispositionParameters } from './content_disposition.ts';

const nameIn = (header: string): string | undefined => dispositionParameters(header)?.get('filename');

test('dispositionParameters reads words, quotes and extended values', () => {
  const rows: [string, string][] = [
    ['attachment; filename=a.txt', 'a.txt'],
    ['ATTACHMENT ;FileName = "a b" ; ', 'a b'],
    ['x/y; filename="a\\"b"', 'a"b'],
    // As Internet Explorer writes paths: no escape where none is needed.
    ['inline; filename="C:\\dev\\a.txt"', 'C:\\dev\\a.txt'],
    ["inline; filename=x; filename*=UTF-8''%e2%82%ac", '\xe2\x82\xac'],
    ["inline; filename=x; filename*=iso-8859-1''%e9", 'x'],
    ["inline; filename=x; filename*=UTF-8''%zz", 'x'],
    ['inline; filename*0=a; filename*1="b c"', 'ab c'],
    ["inline; filename*1*=%20b; filename*0*=utf-8''a", 'a b'],
    ['inline; filename=a; filename=a', 'a'],
  ];
  for (const [header, name] of rows) assert.equal(nameIn(header), name, header);
});

test('dispositionParameters gives nothing for malformed headers', () => {
  for (const header of [
    'filename=a',
    'at tachment; filename=a',
    'a/b/c; filename=a',
    'attachment; filename=a b',
    'attachment; filename="a',
    'attachment; filename=a; filename=b',
    'attachment; filename=',
    'attachment; filename=\xe9',
    'attachment;; filename=a',
  ]) {
    assert.equal(dispositionParameters(header), undefined, header);
  }
});
