/**
 * Parameters of a Content-Disposition header (RFC 2183, RFC 2231) as Go's mime.ParseMediaType reads them: it
 * refuses much that browsers take, and the name of a downloaded file is part of its key.
 */

const TOKEN = /^[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+/;
/** What a backslash escapes inside quotes; before other characters it stands for itself. */
const SPECIAL = '()<>@,;:\\"/[]?=';
const SPACE = /^[\t-\r ]+/;

/**
 * The parameters by name in lower case; undefined when the header is malformed.
 * @param header binary string, as HTTP headers are read; so are the values
 */
export function dispositionParameters(header: string): Map<string, string> | undefined {
  const [kind = ''] = header.split(';', 1);
  if (!isKind(trimSpace(kind))) return undefined;
  const params = new Map<string, string>();
  /** Those with a star, by the name before it. */
  const pieces = new Map<string, Map<string, string>>();
  let rest = header.slice(kind.length);
  for (;;) {
    rest = trimStart(rest);
    if (rest === '') break;
    const found = takeParameter(rest);
    if (found === undefined) {
      if (trimSpace(rest) === ';') break;
      return undefined;
    }
    const { name, value } = found;
    rest = found.rest;
    let target = params;
    if (name.includes('*')) {
      const base = name.slice(0, name.indexOf('*'));
      target = pieces.get(base) ?? new Map<string, string>();
      pieces.set(base, target);
    }
    const other = target.get(name);
    if (other !== undefined && other !== value) return undefined;
    target.set(name, value);
  }
  for (const [name, parts] of pieces) {
    const value = joined(name, parts);
    if (value !== undefined) params.set(name, value);
  }
  return params;
}

/** `attachment`, or as in Content-Type two words with a slash between them. */
function isKind(text: string): boolean {
  const words = text.split('/');
  return words.length <= 2 && words.every((word) => TOKEN.exec(word)?.[0] === word);
}

function takeParameter(text: string): { name: string; value: string; rest: string } | undefined {
  if (!text.startsWith(';')) return undefined;
  let rest = trimStart(text.slice(1));
  const name = TOKEN.exec(rest)?.[0];
  if (name === undefined) return undefined;
  rest = trimStart(rest.slice(name.length));
  if (!rest.startsWith('=')) return undefined;
  rest = trimStart(rest.slice(1));
  const value = rest.startsWith('"') ? takeQuoted(rest) : takeToken(rest);
  return value && { name: name.toLowerCase(), ...value };
}

function takeToken(text: string): { value: string; rest: string } | undefined {
  const value = TOKEN.exec(text)?.[0];
  return value === undefined ? undefined : { value, rest: text.slice(value.length) };
}

function takeQuoted(text: string): { value: string; rest: string } | undefined {
  let value = '';
  for (let i = 1; i < text.length; i++) {
    let ch = text.charAt(i);
    if (ch === '"') return { value, rest: text.slice(i + 1) };
    if (ch === '\r' || ch === '\n') return undefined;
    const next = text.charAt(i + 1);
    if (ch === '\\' && next !== '' && SPECIAL.includes(next)) {
      ch = next;
      i++;
    }
    value += ch;
  }
  return undefined;
}

/** `name*`, or else `name*0`, `name*1*` and so on behind each other. */
function joined(name: string, parts: ReadonlyMap<string, string>): string | undefined {
  const single = parts.get(`${name}*`);
  if (single !== undefined) return decodeExtended(single);
  let value: string | undefined;
  for (let n = 0; ; n++) {
    const plain = parts.get(`${name}*${n}`);
    const encoded = parts.get(`${name}*${n}*`);
    if (plain === undefined && encoded === undefined) return value;
    const part = plain ?? (n === 0 ? decodeExtended(encoded ?? '') : percentDecode(encoded ?? ''));
    value = (value ?? '') + (part ?? '');
  }
}

/** `UTF-8'en'%e2%82%ac`. */
function decodeExtended(text: string): string | undefined {
  const found = /^(?:us-ascii|utf-8)'[^']*'([^]*)$/i.exec(text);
  return found === null ? undefined : percentDecode(found[1] ?? '');
}

/** Undefined for a percent sign without two hexadecimal digits. */
export function percentDecode(text: string): string | undefined {
  if (/%(?![0-9A-Fa-f]{2})/.test(text)) return undefined;
  return text.replaceAll(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

function trimStart(text: string): string {
  return text.replace(SPACE, '');
}

function trimSpace(text: string): string {
  return trimStart(text).replace(/[\t-\r ]+$/, '');
}
