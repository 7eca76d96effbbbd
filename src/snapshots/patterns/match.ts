/** Shell patterns of one path, as Go's path.Match and filepath.Match (on Unix) define them. */
import { CairnError } from '../../errors/error.ts';

/** The error of a malformed pattern, with the text of Go's ErrBadPattern. */
export function badPattern(pattern: string): CairnError {
  return new CairnError('syntax error in pattern', {
    code: 'USAGE',
    hint: `Check brackets and backslashes in the pattern ${JSON.stringify(pattern)}.`,
  });
}

/**
 * Whether `name` as a whole matches: `*` and `?` stop at `/`, `[a-z]` and `[^a-z]` are classes, `\` escapes.
 * A class may match a slash, as in Go.
 * @throws CairnError USAGE `syntax error in pattern`; a malformed rest is found even after a mismatch
 */
export function match(pattern: string, name: string): boolean {
  let rest = Array.from(pattern);
  let text = Array.from(name);
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
    while (rest.length > 0) {
      const tail = scanChunk(rest);
      rest = tail.rest;
      matchChunk(tail.chunk, [], pattern);
    }
    return false;
  }
  return text.length === 0;
}

/** Takes leading stars and what follows them up to the next star outside brackets. */
function scanChunk(pattern: string[]): { star: boolean; chunk: string[]; rest: string[] } {
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
function matchChunk(chunk: string[], text: string[], pattern: string): string[] | undefined {
  let failed = false;
  let at = 0;
  let i = 0;
  while (i < chunk.length) {
    failed ||= at >= text.length;
    const ch = chunk[i];
    if (ch === '[') {
      const result = matchClass(chunk, i + 1, failed ? undefined : text[at], pattern);
      i = result.next;
      at++;
      failed ||= !result.matched;
      continue;
    }
    if (ch === '?') {
      failed ||= text[at] === '/';
    } else {
      if (ch === '\\') i++;
      const literal = chunk[i];
      if (literal === undefined) throw badPattern(pattern);
      failed ||= text[at] !== literal;
    }
    at++;
    i++;
  }
  return failed ? undefined : text.slice(at);
}

/** A class whose first character is at `start`; `ch` undefined only checks the syntax. */
function matchClass(
  chunk: string[],
  start: number,
  ch: string | undefined,
  pattern: string,
): { matched: boolean; next: number } {
  let i = start;
  const negated = chunk[i] === '^';
  if (negated) i++;
  const code = ch?.codePointAt(0) ?? 0;
  let found = false;
  const bound = (): number => {
    let c = chunk[i];
    if (c === undefined || c === '-' || c === ']') throw badPattern(pattern);
    if (c === '\\') c = chunk[++i];
    // Go wants something to follow each bound: a class must be closed.
    if (c === undefined || i + 1 >= chunk.length) throw badPattern(pattern);
    i++;
    return c.codePointAt(0) ?? 0;
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

/** Whether a path has an unescaped `*`, `?` or `[`. */
export function containsWildcards(path: string): boolean {
  return /^(?:[^\\*?[]|\\[^]|\\$)*[*?[]/.test(path);
}
