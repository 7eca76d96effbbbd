import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAfter, parseGoTime } from './go_time.ts';
import { clampHistory, historyJson, normalizeHistory, parseHistory } from './history.ts';
import { rawMembers, sortedObject } from './raw_json.ts';

const time = (second: number) => parseGoTime(`2024-01-01T00:00:0${second}Z`);
const created = (history: ReturnType<typeof normalizeHistory>) =>
  history.map((entry) => entry.created?.text.slice(17, 19));

test('parseGoTime writes times as Go does', () => {
  for (const [text, want] of [
    ['2024-01-01T00:00:00.500Z', '2024-01-01T00:00:00.5Z'],
    ['2024-01-01T00:00:00.000000000Z', '2024-01-01T00:00:00Z'],
    ['2024-01-01T00:00:00+00:00', '2024-01-01T00:00:00Z'],
    ['2024-01-01T00:00:00.1234567891+02:00', '2024-01-01T00:00:00.123456789+02:00'],
  ] as const) {
    assert.equal(parseGoTime(text).text, want);
  }
  assert.ok(isAfter(parseGoTime('2024-01-01T00:00:00.000000001Z'), parseGoTime('2024-01-01T00:00:00Z')));
  assert.ok(!isAfter(parseGoTime('2024-01-01T01:00:00+01:00'), parseGoTime('2024-01-01T00:00:00Z')));
  assert.throws(() => parseGoTime('yesterday'), /invalid time/);
});

test('normalizeHistory makes entries empty that no layer stands behind', () => {
  const history = normalizeHistory(
    [{ createdBy: 'a' }, { createdBy: 'b', emptyLayer: true }, { createdBy: 'c' }],
    [{}],
  );
  assert.deepEqual(
    history.map((entry) => entry.emptyLayer ?? false),
    [false, true, true],
  );
});

test('normalizeHistory adds entries for layers that have none', () => {
  const history = normalizeHistory(
    [{ createdBy: 'a' }],
    [{}, { createdAt: time(1), description: 'mount / from exec' }, { createdAt: time(2) }],
  );
  assert.deepEqual(history.slice(1).map(historyJson), [
    {
      created: time(1).text,
      created_by: 'mount / from exec',
      author: undefined,
      comment: 'buildkit.exporter.image.v0',
      empty_layer: undefined,
    },
    {
      created: time(2).text,
      created_by: 'created by buildkit',
      author: undefined,
      comment: 'buildkit.exporter.image.v0',
      empty_layer: undefined,
    },
  ]);
});

test('normalizeHistory dates metadata steps by the first new layer, then by the one before', () => {
  const empty = { emptyLayer: true };
  const history = normalizeHistory(
    [{ created: time(1) }, empty, {}, empty, {}, empty],
    [{}, { createdAt: time(5) }, { createdAt: time(7) }],
  );
  assert.deepEqual(created(history), ['01', '05', '05', '05', '07', '07']);
  assert.deepEqual(created(normalizeHistory([{ created: time(1) }, empty], [{}])), ['01', '01']);
});

test('clampHistory leaves the entries of the base image alone, and only those', () => {
  const base = parseHistory([{ created: '2024-01-01T00:00:05Z', created_by: 'base' }]) ?? [];
  const own = [...base, { created: time(1), createdBy: 'early' }, { created: time(9) }, base[0] ?? {}];
  assert.deepEqual(created(clampHistory(own, base, time(3))), ['05', '01', '03', '03']);
});

test('rawMembers keeps values as they were written', () => {
  const members = rawMembers(
    ' { "b" : {"10": 1, "9": 12345678901234567890, "t": "<&>"} , "a":[ 1 , {"x" : ":,}"} ],"c":"\\"},{" } ',
  );
  assert.deepEqual(
    [...members],
    [
      ['b', '{"10":1,"9":12345678901234567890,"t":"\\u003c\\u0026\\u003e"}'],
      ['a', '[1,{"x":":,}"}]'],
      ['c', '"\\"},{"'],
    ],
  );
  members.set('B', 'null');
  assert.ok(sortedObject(members).startsWith('{"B":null,"a":[1,'));
  assert.deepEqual([...rawMembers('{}')], []);
  for (const bad of ['[]', 'null', '{', '"x"']) assert.throws(() => rawMembers(bad), /image config/);
});
