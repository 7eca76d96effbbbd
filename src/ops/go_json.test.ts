import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goJson, omitEmpty } from './go_json.ts';

test('goJson writes text, bytes and 64-bit numbers as encoding/json does', () => {
  const value = {
    text: 'a<b>&"\\\u2028\u0001\n\u007fé',
    lone: '\ud800',
    bytes: Buffer.from('{}'),
    big: 1_700_000_000_123_456_789n,
    list: [1, -1n, true],
    absent: undefined,
  };
  assert.equal(
    goJson(value),
    String.raw`{"text":"a\u003cb\u003e\u0026\"\\\u2028\u0001\n` +
      String.raw`${'\u007f'}é","lone":"\ufffd","bytes":"e30=","big":1700000000123456789,"list":[1,-1,true]}`,
  );
});

test('omitEmpty drops zero values and keeps empty structs', () => {
  assert.equal(
    goJson(omitEmpty({ a: '', b: 0, c: 0n, d: false, e: [], f: new Uint8Array(), g: undefined })),
    '{}',
  );
  assert.equal(
    goJson(omitEmpty({ struct: {}, minus: -1, list: [0] })),
    '{"struct":{},"minus":-1,"list":[0]}',
  );
});
