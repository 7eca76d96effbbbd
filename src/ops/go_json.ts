/**
 * Text as Go's encoding/json writes it: keys of exec, file, merge and diff ops are the sha256 of such text, so
 * every byte counts.
 */

/** What {@link goJson} writes; structs are objects with their fields in Go's order. Undefined fields are left out. */
export type GoValue =
  | string
  | number
  | bigint
  | boolean
  | Uint8Array
  | readonly GoValue[]
  | { readonly [field: string]: GoValue | undefined };

/** A struct whose fields all have the `omitempty` option; structs and pointers to them are never empty. */
export function omitEmpty(fields: Record<string, GoValue | undefined>): Record<string, GoValue> {
  const out: Record<string, GoValue> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined && !isEmpty(value)) out[name] = value;
  }
  return out;
}

function isEmpty(value: GoValue): boolean {
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length === 0;
  return value === '' || value === 0 || value === 0n || value === false;
}

/** JSON without spaces; byte slices as base64. */
export function goJson(value: GoValue): string {
  if (typeof value === 'string') return goString(value);
  if (value instanceof Uint8Array) return `"${Buffer.from(value).toString('base64')}"`;
  if (isList(value)) return `[${value.map(goJson).join(',')}]`;
  if (typeof value === 'object') {
    const fields = Object.entries(value).flatMap(([name, field]) =>
      field === undefined ? [] : [`${goString(name)}:${goJson(field)}`],
    );
    return `{${fields.join(',')}}`;
  }
  return String(value);
}

function isList(value: GoValue): value is readonly GoValue[] {
  return Array.isArray(value);
}

const SHORT: Record<string, string> = {
  '"': '\\"',
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

// Go escapes what HTML and JavaScript would trip over; a lone surrogate has no UTF-8 form and becomes U+FFFD.
// oxlint-disable-next-line no-control-regex
const ESCAPED = /["\\<>&\u2028\u2029\0-\x1f]|\p{Surrogate}/gu;

function goString(text: string): string {
  const escaped = text.replace(ESCAPED, (ch) => {
    const short = SHORT[ch];
    if (short !== undefined) return short;
    const code = ch.charCodeAt(0);
    return `\\u${(code >= 0xd800 && code <= 0xdfff ? 0xfffd : code).toString(16).padStart(4, '0')}`;
  });
  return `"${escaped}"`;
}
