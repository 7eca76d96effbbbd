import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goJson } from './go_json.ts';

test('goJson escapes as encoding/json does', () => {
  assert.equal(goJson({ a: '<b>&\u2028"\\' }), String.raw`{"a":"\u003cb\u003e\u0026\u2028\"\\"}`);
  assert.equal(goJson('\b\f\n\u0001é\u007f'), '"\\b\\f\\n\\u0001é\u007f"');
});

test('goJson writes bytes that were not UTF-8 as the replacement escape and leaves backslashes alone', () => {
  assert.equal(goJson('a\udcff'), String.raw`"a\ufffd"`);
  assert.equal(goJson('\\udcff'), String.raw`"\\udcff"`);
});
