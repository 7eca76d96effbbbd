import { CairnError } from '../errors/error.ts';

/**
 * Members of a JSON object with their values as text, as Go's map[string]json.RawMessage has them. An image
 * config passes through here so that what cairn does not know in it stays as it was, byte for byte: JSON.parse
 * would reorder keys that look like numbers and round large ones.
 *
 * Values lose the white space around their tokens. The last of equal keys counts.
 *
 * @throws CairnError CORRUPT when the text is not a JSON object
 */
export function rawMembers(text: string): Map<string, string> {
  const parsed: unknown = parse(text);
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new CairnError('image config is not a JSON object', { code: 'CORRUPT' });
  }
  const members = new Map<string, string>();
  const compact = withoutSpace(text);
  // The text is valid: only strings and nesting have to be followed.
  let depth = 0;
  let start = 1;
  let colon = -1;
  for (let i = 0; i < compact.length; i++) {
    const char = compact[i];
    if (char === '"') i = stringEnd(compact, i);
    else if (char === '{' || char === '[') depth++;
    else if (char === ':' && depth === 1 && colon === -1) colon = i;
    if (char === '}' || char === ']') depth--;
    if ((char === ',' && depth === 1) || depth === 0) {
      if (colon !== -1) {
        const key: unknown = JSON.parse(compact.slice(start, colon));
        members.set(String(key), compact.slice(colon + 1, i));
      }
      start = i + 1;
      colon = -1;
    }
  }
  return members;
}

/** The object's text with its keys sorted by their UTF-8 bytes, as Go writes a map. */
export function sortedObject(members: ReadonlyMap<string, string>): string {
  const keys = [...members.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return `{${keys.map((key) => `${JSON.stringify(key)}:${members.get(key) ?? 'null'}`).join(',')}}`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CairnError('image config is not valid JSON', { code: 'CORRUPT', cause: error });
  }
}

/** Index of the quote that ends the string which begins at `start`. */
function stringEnd(text: string, start: number): number {
  let i = start + 1;
  while (i < text.length && text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
  return i;
}

function withoutSpace(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|\s+/g, (token) => (token.startsWith('"') ? escapeHtml(token) : ''));
}

/** Go's encoder compacts raw messages with these escapes, too. */
function escapeHtml(token: string): string {
  return token.replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
