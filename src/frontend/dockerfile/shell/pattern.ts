/**
 * The patterns of `${name#pattern}`, `${name%pattern}` and `${name/pattern/text}`: `*`, `?`, and a backslash before
 * what is meant literally. BuildKit turns them into Go regular expressions; here they run on a small automaton with
 * the same preferences, because JavaScript's regular expressions can take exponential time.
 */
import { DockerfileError } from '../parser/error.ts';

/** A literal character, one character (`?`), or any number of them (`*`). None but a literal matches a newline. */
type Token = { literal: string } | 'one' | 'many';

/** Indexes of characters, end excluded. */
interface Match {
  start: number;
  end: number;
}

/** Characters of a result. Variables that double each other would otherwise fill the memory. */
export const MAX_EXPANDED_LENGTH = 16 * 1024 * 1024;

/** Characters that need no backslash in a Go regular expression, but may have one in a pattern. */
const ESCAPABLE = new Set(['*', '?', '\\']);
const SKIPPED_ESCAPE = new Set(['}', '/']);

/** The error for a result beyond {@link MAX_EXPANDED_LENGTH}. */
export function tooLong(): DockerfileError {
  return new DockerfileError(`the expanded word is longer than ${MAX_EXPANDED_LENGTH} characters`);
}

/** @throws DockerfileError for a backslash before a character that needs none */
function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = [];
  const chars = Array.from(pattern.replace(/^\ufeff/, ''));
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? '';
    const next = chars[at + 1];
    if (char === '*') {
      if (tokens.at(-1) !== 'many') tokens.push('many');
    } else if (char === '?') {
      tokens.push('one');
    } else if (char === '\\') {
      if (next !== undefined && SKIPPED_ESCAPE.has(next)) continue;
      if (next === undefined || !ESCAPABLE.has(next)) {
        throw new DockerfileError(
          `invalid pattern (${pattern}) in substitution: invalid escape '\\${next ?? '\ufffd'}'`,
        );
      }
      tokens.push({ literal: next });
      at++;
    } else {
      tokens.push({ literal: char });
    }
  }
  return tokens;
}

/** `value` without the shortest or, if `greedy`, longest prefix that matches `pattern`. */
export function trimPrefix(pattern: string, value: string, greedy: boolean): string {
  const chars = Array.from(value);
  const match = new Matcher(tokensOf(pattern), greedy).find(chars, 0, true);
  return match === undefined ? value : chars.slice(match.end).join('');
}

/** `value` without the shortest or, if `greedy`, longest suffix that matches `pattern`. */
export function trimSuffix(pattern: string, value: string, greedy: boolean): string {
  return reverse(trimPrefix(reversePattern(pattern), reverse(value), greedy));
}

/**
 * `value` with the first match of `pattern` replaced by `replacement` as it stands, or every match by `replacement`
 * as a template in which `$0` is the match, `$$` a dollar sign and any other `$name` nothing.
 */
export function replacePattern(pattern: string, value: string, replacement: string, all: boolean): string {
  const matcher = new Matcher(tokensOf(pattern), true);
  const chars = Array.from(value);
  if (!all) {
    const match = matcher.find(chars, 0, false);
    if (match === undefined) return value;
    return chars.slice(0, match.start).join('') + replacement + chars.slice(match.end).join('');
  }
  let out = '';
  let copied = 0;
  for (let from = 0; from <= chars.length;) {
    const match = matcher.find(chars, from, false);
    if (match === undefined) break;
    out += chars.slice(copied, match.start).join('');
    // An empty match right after another one would replace twice in one place.
    if (match.end > copied || match.start === 0) {
      out += fillTemplate(replacement, chars.slice(match.start, match.end).join(''));
    }
    if (out.length > MAX_EXPANDED_LENGTH) throw tooLong();
    copied = match.end;
    from = Math.max(from + 1, match.end);
  }
  return out + chars.slice(copied).join('');
}

/** Go's regexp.Expand for an expression without groups. */
function fillTemplate(template: string, match: string): string {
  return template.replace(
    /\$(?:\$|([\p{L}\p{Nd}_]+)|\{([\p{L}\p{Nd}_]+)\})/gu,
    (reference: string, bare: string | undefined, braced: string | undefined) => {
      if (reference === '$$') return '$';
      return (bare ?? braced) === '0' ? match : '';
    },
  );
}

function reverse(text: string): string {
  return Array.from(text).reverse().join('');
}

/** The pattern that matches the reversed text: an escape stays before its character. */
function reversePattern(pattern: string): string {
  const chars = Array.from(pattern);
  const out: string[] = [];
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? '';
    if (char === '\\' && at < chars.length - 1) {
      at++;
      out.push(char + (chars[at] ?? ''));
    } else {
      out.push(char);
    }
  }
  return out.reverse().join('');
}

/** Follows all ways to match at once, in order of preference: time is pattern length times text length at most. */
class Matcher {
  readonly #tokens: Token[];
  readonly #greedy: boolean;
  /** For each token the step in which it was last put on a list. */
  readonly #listed: Float64Array;
  #step = 0;

  constructor(tokens: Token[], greedy: boolean) {
    this.#tokens = tokens;
    this.#greedy = greedy;
    this.#listed = new Float64Array(tokens.length + 1);
  }

  /** The leftmost match from `from` on; only one that starts there if `anchored`. */
  find(chars: string[], from: number, anchored: boolean): Match | undefined {
    let found: Match | undefined;
    let threads: { token: number; start: number }[] = [];
    this.#step++;
    for (let at = from; at <= chars.length; at++) {
      if (found === undefined && (!anchored || at === from)) this.#add(threads, 0, at);
      if (threads.length === 0 && (found !== undefined || anchored)) break;
      const char = chars[at];
      const next: typeof threads = [];
      this.#step++;
      for (const { token: index, start } of threads) {
        const token = this.#tokens[index];
        if (token === undefined) {
          found = { start, end: at };
          break;
        }
        if (char === undefined) continue;
        if (typeof token === 'object') {
          if (token.literal === char) this.#add(next, index + 1, start);
        } else if (char !== '\n') {
          this.#add(next, token === 'many' ? index : index + 1, start);
        }
      }
      threads = next;
    }
    return found;
  }

  #add(threads: { token: number; start: number }[], token: number, start: number): void {
    if (this.#listed[token] === this.#step) return;
    this.#listed[token] = this.#step;
    const many = this.#tokens[token] === 'many';
    if (many && !this.#greedy) this.#add(threads, token + 1, start);
    threads.push({ token, start });
    if (many && this.#greedy) this.#add(threads, token + 1, start);
  }
}
