/** Shell patterns of one path, as Go's path.Match and filepath.Match (on Unix) define them. */
import { CairnError } from '../../errors/error.ts';

/** The replacement character, and how it is written in UTF-8. */
const INVALID = 0xfffd;
const INVALID_BYTES = '\xef\xbf\xbd';

/** The error of a malformed pattern, with the text of Go's ErrBadPattern. */
export function badPattern(pattern: string): CairnError {
  return new CairnError('syntax error in pattern', {
    code: 'USAGE',
    hint: `Check brackets and backslashes in the pattern ${JSON.stringify(pattern)}.`,
  });
}

/**
 * Whether `name` as a whole matches: `*` and `?` stop at `/`, `[a-z]` and `[^a-z]` are classes, `\` escapes. A
 * class may match a slash, as in Go, and what follows a `*` may begin in the middle of a character. Both are
 * binary strings (see names.ts); a byte that is not UTF-8 is a character of its own, U+FFFD.
 * @throws CairnError USAGE `syntax error in pattern`; a malformed rest is found even after a mismatch
 */
export function match(pattern: string, name: string): boolean {
  return matchPattern(pattern, name, true);
}

/**
 * The same as Go's filepath.Match, which differs in one thing: what follows the star behind which a pattern
 * stopped matching may be malformed.
 * @throws CairnError USAGE `syntax error in pattern`
 */
export function matchFile(pattern: string, name: string): boolean {
  return matchPattern(pattern, name, false);
}

function matchPattern(pattern: string, name: string, checkRest: boolean): boolean {
  let rest = pattern;
  let text = name;
  next: while (rest.length > 0) {
    const scanned = scanChunk(rest);
    const { star, chunk } = scanned;
    rest = scanned.rest;
    if (star && chunk.length === 0) return !text.includes('/');
    const here = matchChunk(chunk, text, pattern);
    // The last chunk has to reach the end; a star may still find a later place.
    if (here !== undefined && (here.length === 0 || rest.length > 0)) {
      text = here;
      continue;
    }
    if (star) {
      for (let i = 0; i < text.length && text[i] !== '/'; i++) {
        const later = matchChunk(chunk, text.slice(i + 1), pattern);
        if (later === undefined || (rest.length === 0 && later.length > 0)) continue;
        text = later;
        continue next;
      }
    }
    while (checkRest && rest.length > 0) {
      const tail = scanChunk(rest);
      rest = tail.rest;
      matchChunk(tail.chunk, '', pattern);
    }
    return false;
  }
  return text.length === 0;
}

/** Takes leading stars and what follows them up to the next star outside brackets. */
function scanChunk(pattern: string): { star: boolean; chunk: string; rest: string } {
  let start = 0;
  while (pattern[start] === '*') start++;
  let inRange = false;
  let i = start;
  for (; i < pattern.length; i++) {
    const ch = pattern[i];
    if (ch === '\\') i = Math.min(i + 1, pattern.length - 1);
    else if (ch === '[') inRange = true;
    else if (ch === ']') inRange = false;
    else if (ch === '*' && !inRange) break;
  }
  return { star: start > 0, chunk: pattern.slice(start, i), rest: pattern.slice(i) };
}

/** What is left of `text` after the chunk, or undefined. Reads the whole chunk in any case, to check its syntax. */
function matchChunk(chunk: string, text: string, pattern: string): string | undefined {
  let failed = false;
  let at = 0;
  let i = 0;
  while (i < chunk.length) {
    failed ||= at >= text.length;
    const ch = chunk[i];
    if (ch === '[') {
      const char = failed ? undefined : characterAt(text, at);
      const result = matchClass(chunk, i + 1, char?.code ?? 0, pattern);
      i = result.next;
      at += char?.width ?? 0;
      failed ||= !result.matched;
      continue;
    }
    if (ch === '?') {
      failed ||= text[at] === '/';
      if (!failed) at += characterAt(text, at).width;
    } else {
      if (ch === '\\') i++;
      const literal = chunk[i];
      if (literal === undefined) throw badPattern(pattern);
      failed ||= text[at] !== literal;
      at++;
    }
    i++;
  }
  return failed ? undefined : text.slice(at);
}

/** Whether the class whose first character is at `start` has the character `code`. */
function matchClass(
  chunk: string,
  start: number,
  code: number,
  pattern: string,
): { matched: boolean; next: number } {
  let i = start;
  const negated = chunk[i] === '^';
  if (negated) i++;
  let found = false;
  const bound = (): number => {
    const ch = chunk[i];
    if (ch === undefined || ch === '-' || ch === ']') throw badPattern(pattern);
    if (ch === '\\') i++;
    if (i >= chunk.length) throw badPattern(pattern);
    const char = characterAt(chunk, i);
    i += char.width;
    // Go wants something to follow each bound: a class must be closed.
    if (char.invalid || i >= chunk.length) throw badPattern(pattern);
    return char.code;
  };
  for (let ranges = 0; ; ranges++) {
    if (chunk[i] === ']' && ranges > 0) break;
    const low = bound();
    let high = low;
    if (chunk[i] === '-') {
      i++;
      high = bound();
    }
    found ||= low <= code && code <= high;
  }
  return { matched: found !== negated, next: i + 1 };
}

interface Character {
  code: number;
  /** In bytes. */
  width: number;
  /** Not UTF-8; the code is U+FFFD. */
  invalid: boolean;
}

/** The character at a place of a binary string. */
function characterAt(text: string, at: number): Character {
  const first = text.charCodeAt(at);
  if (first < 0x80) return { code: first, width: 1, invalid: false };
  const width = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  const decoded = Buffer.from(text.slice(at, at + width), 'latin1').toString();
  const code = decoded.codePointAt(0) ?? INVALID;
  // What is not a whole character decodes to something that is not this wide.
  const whole = Buffer.byteLength(decoded) === width && decoded.length === (width === 4 ? 2 : 1);
  const invalid = !whole || (code === INVALID && text.slice(at, at + width) !== INVALID_BYTES);
  return invalid ? { code: INVALID, width: 1, invalid } : { code, width, invalid };
}

/** Whether a path has an unescaped `*`, `?` or `[`. */
export function containsWildcards(path: string): boolean {
  return /^(?:[^\\*?[]|\\[^]|\\$)*[*?[]/.test(path);
}
