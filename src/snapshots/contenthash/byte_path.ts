/**
 * Paths as byte strings: one character per byte. File names are bytes, and keys are ordered and hashed by bytes;
 * text decoded as UTF-8 would sort differently above U+FFFF and lose names that are not valid UTF-8. For ASCII
 * both forms are the same string, and nothing is converted.
 */

const NOT_ASCII = /[^\0-\x7f]/;

/** A text (UTF-8) as a byte string. */
export function toBytes(text: string): string {
  return NOT_ASCII.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text;
}

/** A byte string as text; bytes that are not UTF-8 become U+FFFD. */
export function toText(bytes: string): string {
  return NOT_ASCII.test(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes;
}

/** A byte string as a path for node:fs. */
export function toFsPath(bytes: string): string | Buffer {
  return NOT_ASCII.test(bytes) ? Buffer.from(bytes, 'latin1') : bytes;
}

const SHORT_ESCAPES: Record<string, string> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};

/** A byte string in quotes as Go's `%q` prints it (strconv.Quote). */
export function quote(bytes: string): string {
  let out = '';
  for (const ch of toText(bytes)) {
    const code = ch.codePointAt(0) ?? 0;
    const short = SHORT_ESCAPES[ch];
    if (short !== undefined) out += short;
    else if (code < 0x20 || code === 0x7f) out += `\\x${code.toString(16).padStart(2, '0')}`;
    else if (/^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u.test(ch)) out += ch;
    else if (code > 0xffff) out += `\\U${code.toString(16).padStart(8, '0')}`;
    else out += `\\u${code.toString(16).padStart(4, '0')}`;
  }
  return `"${out}"`;
}
