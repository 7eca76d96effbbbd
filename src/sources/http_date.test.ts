import assert from 'node:assert/strict';
import { test } from 'node:test';
import { httpDate } from './http_date.ts';

test('httpDate reads what net/http reads', () => {
  const wanted = 'Tue, 14 Nov 2023 22:13:20 GMT';
  for (const text of [
    wanted,
    'Mon, 14 nov 2023  22:13:20.5 GMT',
    'Tuesday, 14-Nov-23 22:13:20 GMT',
    'Tuesday, 14-Nov-23 22:13:20 PST',
    'Tue Nov 14 22:13:20 2023',
  ]) {
    assert.equal(httpDate(text)?.toUTCString(), wanted, text);
  }
  const more: [string, string][] = [
    ['Tue Nov  4 2:13:20 2023', 'Sat, 04 Nov 2023 02:13:20 GMT'],
    ['Friday, 14-Nov-69 22:13:20 CET', 'Fri, 14 Nov 1969 22:13:20 GMT'],
    ['Tue, 14 Nov 0001 22:13:20 GMT', 'Wed, 14 Nov 0001 22:13:20 GMT'],
    ['Thu, 29 Feb 2024 00:00:00 GMT', 'Thu, 29 Feb 2024 00:00:00 GMT'],
  ];
  for (const [text, date] of more) assert.equal(httpDate(text)?.toUTCString(), date, text);
});

test('httpDate gives nothing for other texts', () => {
  for (const text of [
    undefined,
    '',
    '0',
    '2023-11-14',
    'Tue, 4 Nov 2023 22:13:20 GMT',
    'Tue, 31 Feb 2023 22:13:20 GMT',
    'Tue, 14 Nov 2023 24:00:00 GMT',
    'Tue, 14 Nov 2023 22:13:60 GMT',
    'Tue, 14 Nov 2023 22:13:20 UTC',
    'Tue, 14 Nov 2023 22:13:20 gmt',
    'Tue, 14 Nov 2023 22:13:20',
    'Tue, 14 Nov 23 22:13:20 GMT',
    'Tue, 14 November 2023 22:13:20 GMT',
    'Xxx, 14 Nov 2023 22:13:20 GMT',
    'Tuesday, 14-Nov-23 22:13:20 central',
  ]) {
    assert.equal(httpDate(text), undefined, text);
  }
});
