import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goQuote } from './go_quote.ts';

test('goQuote prints as %q of Go', () => {
  const cases: [string, string][] = [
    ['/bin/sh -c echo "a"', String.raw`"/bin/sh -c echo \"a\""`],
    ['tab\tline\nback\\', String.raw`"tab\tline\nback\\"`],
    ['\u0001\u007f\u001b', String.raw`"\x01\x7f\x1b"`],
    ['ä→😀', '"ä→😀"'],
    ['\u00a0\u200b', String.raw`"\u00a0\u200b"`],
  ];
  for (const [text, quoted] of cases) assert.equal(goQuote(text), quoted);
});
