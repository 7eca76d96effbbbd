import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeText, encodeText } from './bytes.ts';
import { goLower, goUpper } from './case.ts';
import { parseDuration, parseGoBool, parseInt32, parseRamBytes, parseUint32 } from './numbers.ts';
import { goQuote } from '../../../errors/go_quote.ts';
import { trimSpace } from './space.ts';
import { suggest, withSuggestion } from './suggest.ts';

test('goQuote escapes as strconv.Quote does', () => {
  const table: [string, string][] = [
    ['a "b" \\ \'', '"a \\"b\\" \\\\ \'"'],
    ['\x07\b\f\n\r\t\v\0\x1b\x7f', '"\\a\\b\\f\\n\\r\\t\\v\\x00\\x1b\\x7f"'],
    ['é😀\u00a0\u200b\ufeff\ufffd', '"é😀\\u00a0\\u200b\\ufeff\ufffd"'],
    ['\u{e0001}', '"\\U000e0001"'],
    ['\udcff', '"\\xff"'],
  ];
  for (const [text, want] of table) assert.equal(goQuote(text), want);
});

test('decodeText keeps bytes that are not UTF-8 for encodeText', () => {
  const bytes = Buffer.from([
    0x61, 0xff, 0xc3, 0xa9, 0xc3, 0xe2, 0x82, 0xf0, 0x9f, 0x98, 0x80, 0xed, 0xa0, 0x80,
  ]);
  const text = decodeText(bytes);
  assert.equal(text, 'a\udcffé\udcc3\udce2\udc82😀\udced\udca0\udc80');
  assert.deepEqual(Buffer.from(encodeText(text)), bytes);
  assert.equal(decodeText(Buffer.from('\ufeffé')), '\ufeffé');
});

test('trimSpace takes what Go takes for white space', () => {
  assert.equal(trimSpace('\u0085\u00a0\u2003\u3000\t a \ufeff\v'), 'a \ufeff');
});

test('goLower and goUpper map single characters', () => {
  assert.equal(goLower('ÄΣ\u0130K'), 'äσik');
  assert.equal(goUpper('straßeﬁ'), 'STRAßEﬁ');
});

test('parseDuration reads what time.ParseDuration reads', () => {
  const table: [string, bigint][] = [
    ['0', 0n],
    ['-0', 0n],
    ['1ns', 1n],
    ['1.5us', 1500n],
    ['1µs1μs', 2000n],
    ['+1h2m3.5s4ms', 3_723_504_000_000n],
    ['-1.5h', -5_400_000_000_000n],
    ['.5s', 500_000_000n],
    ['5.s', 5_000_000_000n],
    ['0.3333333333333333333h', 1_200_000_000_000n],
    ['9223372036854775807ns', 9_223_372_036_854_775_807n],
    ['-9223372036854775808ns', -9_223_372_036_854_775_808n],
  ];
  for (const [text, want] of table) assert.equal(parseDuration(text), want, text);
  const wrong: [string, string][] = [
    ['', 'time: invalid duration ""'],
    ['-', 'time: invalid duration "-"'],
    ['.s', 'time: invalid duration ".s"'],
    ['1', 'time: missing unit in duration "1"'],
    ['1s2', 'time: missing unit in duration "1s2"'],
    ['1 s', 'time: unknown unit " s" in duration "1 s"'],
    ['1é"', 'time: unknown unit "\\xc3\\xa9\\"" in duration "1\\xc3\\xa9\\""'],
    ['9223372036854775808ns', 'time: invalid duration "9223372036854775808ns"'],
    ['2562048h', 'time: invalid duration "2562048h"'],
    ['99999999999999999999s', 'time: invalid duration "99999999999999999999s"'],
  ];
  for (const [text, message] of wrong) assert.throws(() => parseDuration(text), { message }, text);
});

test('parseRamBytes reads sizes as go-units does', () => {
  const table: [string, bigint | undefined][] = [
    ['32', 32n],
    ['32b', 32n],
    ['32 KB', 32768n],
    ['1.5GiB', 1_610_612_736n],
    ['1e3', 1000n],
    ['.5k', 512n],
    ['1p', 1n << 50n],
    ['-0', 0n],
    ['99999999999p', -(1n << 63n)],
    ['', undefined],
    ['k', undefined],
    ['-1', undefined],
    ['1kk', undefined],
    ['1bb', undefined],
    ['1 kib b', undefined],
    ['0x10', undefined],
    ['1e999', undefined],
    ['1_0', undefined],
  ];
  for (const [text, want] of table) assert.equal(parseRamBytes(text), want, text);
});

test('integers and booleans are read as strconv does', () => {
  assert.deepEqual([parseInt32('+7'), parseInt32('-2147483648')], [7, -2147483648]);
  assert.throws(() => parseInt32('1_0'), { message: 'strconv.ParseInt: parsing "1_0": invalid syntax' });
  for (const [text, why] of [
    ['2147483648', 'value out of range'],
    ['-2147483649', 'value out of range'],
    ['4294967295h', 'invalid syntax'],
    ['4294967296h', 'value out of range'],
    ['+', 'invalid syntax'],
    ['--1', 'invalid syntax'],
  ] as const) {
    assert.throws(() => parseInt32(text), { message: `strconv.ParseInt: parsing "${text}": ${why}` });
  }
  assert.deepEqual(
    [parseUint32('0755', 8), parseUint32('9', 8), parseUint32('+1', 10), parseUint32('', 10)],
    [0o755, undefined, undefined, undefined],
  );
  assert.deepEqual(
    [parseGoBool('t'), parseGoBool('False'), parseGoBool('yes'), parseGoBool('tRUE')],
    [true, false, undefined, undefined],
  );
});

test('suggest finds the nearest word within two edits', () => {
  const options = ['chown', 'chmod', 'link'];
  assert.equal(suggest('chow', options), 'chown');
  assert.equal(suggest('lnik', options), 'link');
  assert.equal(suggest('LINK', options), undefined);
  assert.equal(suggest('LNK', options, { ignoreCase: true }), 'LINK');
  assert.equal(suggest('Lnk', options, { ignoreCase: true }), 'link');
  assert.equal(suggest('abc', options), undefined);
  assert.equal(suggest('link', options), undefined);
  assert.equal(suggest('', ['abc', 'ab']), 'ab');
  assert.equal(withSuggestion('bad', 'lin', options), 'bad (did you mean link?)');
});
