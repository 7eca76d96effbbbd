/** JSON text as Go's encoding/json writes it, where the text itself is part of a format. */

const HTML_OR_SEPARATOR = /[<>&\u2028\u2029]/g;
/** A lone surrogate as JSON.stringify escapes it; an escaped backslash is matched so as to be stepped over. */
const LONE_SURROGATE = /\\(?:\\|ud[89a-f][0-9a-f]{2})/g;

/**
 * JSON with Go's escapes (`\u003c` for `<`, likewise `>`, `&` and the two line separators). Keys keep their order:
 * Go writes structs in field order and sorts maps, which is for the caller to do. `undefined` fields are left out.
 * A lone surrogate, which stands for a byte that was not UTF-8, becomes `\\ufffd`.
 * @param indent as for JSON.stringify; Go's MarshalIndent with the same prefix gives the same text
 */
export function goJson(value: unknown, indent?: string): string {
  const text = JSON.stringify(value, undefined, indent) as string | undefined;
  return (text ?? 'null')
    .replace(HTML_OR_SEPARATOR, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .replace(LONE_SURROGATE, (match) => (match.startsWith('\\u') ? '\\ufffd' : match));
}
