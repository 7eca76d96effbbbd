/** Go's quoting of strings in messages (`%q`, `%#v`), since BuildKit's error texts are made with it. */

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '"': '\\"',
  '\\': '\\\\',
};

/** What Go's strconv.IsPrint accepts: letters, marks, numbers, punctuation, symbols, and the ASCII space. */
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

/**
 * `text` between double quotes as Go's strconv.Quote writes it. A byte that was not UTF-8 (see text/bytes.ts)
 * becomes `\xNN`.
 */
export function goQuote(text: string): string {
  let out = '"';
  for (const char of text) out += SHORT_ESCAPES[char] ?? escaped(char);
  return `${out}"`;
}

function escaped(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  if (code >= 0xdc80 && code <= 0xdcff) return `\\x${(code - 0xdc00).toString(16)}`;
  if (code >= 0xd800 && code <= 0xdfff) return '\\xef\\xbf\\xbd';
  if (PRINTABLE.test(char)) return char;
  if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, '0')}`;
  if (code < 0x10000) return `\\u${code.toString(16).padStart(4, '0')}`;
  return `\\U${code.toString(16).padStart(8, '0')}`;
}
