import assert from 'node:assert/strict';
import { test } from 'node:test';
import { csvFields, csvPairs } from './csv.ts';

test('csvFields splits at commas outside quotes', () => {
  const table: [string, string[]][] = [
    ['type=local,dest=out', ['type=local', 'dest=out']],
    ['"a,b",c', ['a,b', 'c']],
    ['"say ""hi""",x', ['say "hi"', 'x']],
    ['', ['']],
    ['a,', ['a', '']],
  ];
  for (const [line, fields] of table) assert.deepEqual(csvFields(line, '-o'), fields, line);
});

test('csvFields refuses quotes that are not closed or stand inside a field', () => {
  for (const line of ['"a', 'a"b', '"a"b,c'])
    assert.throws(() => csvFields(line, '-o'), /invalid value/, line);
});

test('csvPairs lowers keys, keeps values with = and refuses fields without one', () => {
  assert.deepEqual(csvPairs('TYPE=image,name=a=b', '-o'), [
    ['type', 'image'],
    ['name', 'a=b'],
  ]);
  assert.throws(() => csvPairs('type=image,push', '-o'), /"push".*must be key=value/);
});
