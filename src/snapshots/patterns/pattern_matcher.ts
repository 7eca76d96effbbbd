/**
 * Lists of patterns with exceptions (`!`), as .dockerignore, COPY --exclude and BuildKit's include and exclude
 * options use them: the semantics of github.com/moby/patternmatcher v0.6.
 */
import { CairnError, messageOf } from '../../errors/error.ts';
import { compileGoRegexp } from './go_regexp.ts';
import { toBinary } from '../names.ts';
import { clean, dir } from './go_path.ts';
import { badPattern, matchFile } from './match.ts';

/** Which patterns matched a directory; handed back when its children are asked for. */
export type MatchInfo = readonly boolean[];

const SPACE = '\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const OUTER_SPACE = new RegExp(`^[${SPACE}]+|[${SPACE}]+$`, 'gu');

/** Characters that are escaped; `{`, `}` and `|` stay operators, as in the Go original. */
const ESCAPED = '.+()$';

/** One pattern, cleaned; its `!` is in `exclusion`. */
export class Pattern {
  readonly text: string;
  readonly exclusion: boolean;
  #test: ((path: string) => boolean) | undefined;

  constructor(text: string, exclusion: boolean) {
    this.text = text;
    this.exclusion = exclusion;
  }

  /** @throws CairnError USAGE for a pattern that Go's regexp would not compile */
  matches(path: string): boolean {
    this.#test ??= compile(this.text);
    return this.#test(path);
  }

  matchesParentOf(path: string): boolean {
    const parent = dir(path);
    if (parent === '.') return false;
    for (let end = parent.indexOf('/'); end !== -1; end = parent.indexOf('/', end + 1)) {
      if (this.matches(parent.slice(0, end))) return true;
    }
    return this.matches(parent);
  }
}

export class PatternMatcher {
  readonly patterns: readonly Pattern[];
  /** Whether any pattern is an exception. */
  readonly exclusions: boolean;
  readonly #option: string | undefined;

  /**
   * Blank patterns are dropped, the others trimmed and cleaned.
   * @param option named in errors of {@link matchesUsingParentResults}
   * @throws CairnError USAGE `syntax error in pattern` or `illegal exclusion pattern: "!"`
   */
  constructor(patterns: readonly string[], option?: string) {
    this.#option = option;
    this.patterns = patterns.map((text) => text.replace(OUTER_SPACE, '')).flatMap(parse);
    this.exclusions = this.patterns.some((pattern) => pattern.exclusion);
  }

  /** Whether the last pattern that matches the relative path or one of its parents is not an exception. */
  matchesOrParentMatches(path: string): boolean {
    let matched = false;
    for (const pattern of this.patterns) {
      if (pattern.exclusion !== matched) continue;
      if (pattern.matches(path) || pattern.matchesParentOf(path)) matched = !pattern.exclusion;
    }
    return matched;
  }

  /**
   * The same answer while walking a tree: `parent` is the info that this method gave for the directory that
   * holds `path`; undefined where there is none, then all parents are tried.
   * @throws CairnError USAGE `failed to match includepatterns: syntax error in pattern` for a pattern that only now
   * turns out not to be one
   */
  matchesUsingParentResults(
    path: string,
    parent: MatchInfo | undefined,
  ): { matched: boolean; info: MatchInfo } {
    // Below a match everything matches, where there are no exceptions: most files of a tree need no look at patterns.
    if (!this.exclusions && parent?.includes(true) === true) return { matched: true, info: parent };
    let matched = false;
    const known = parent !== undefined && parent.length > 0;
    const info: boolean[] = Array.from({ length: this.patterns.length }, () => false);
    for (const [i, pattern] of this.patterns.entries()) {
      let hit = known && parent[i] === true;
      if (!hit) {
        if (pattern.exclusion !== matched) continue;
        hit = this.#tryPattern(pattern, path) || (!known && pattern.matchesParentOf(path));
      }
      info[i] = hit;
      if (hit) matched = !pattern.exclusion;
    }
    return { matched, info };
  }

  #tryPattern(pattern: Pattern, path: string): boolean {
    try {
      return pattern.matches(path);
    } catch (error) {
      if (this.#option === undefined || !(error instanceof CairnError)) throw error;
      throw new CairnError(`failed to match ${this.#option}: ${messageOf(error)}`, {
        code: 'USAGE',
        hint: error.hint,
        cause: error,
      });
    }
  }
}

/**
 * A matcher for an option of this name (`includepatterns`); undefined when there are no patterns.
 * @throws CairnError USAGE `invalid includepatterns: [a[]: syntax error in pattern`
 */
export function optionalMatcher(
  option: string,
  patterns: readonly string[] | undefined,
): PatternMatcher | undefined {
  if (patterns === undefined || patterns.length === 0) return undefined;
  try {
    return new PatternMatcher(patterns, option);
  } catch (error) {
    throw new CairnError(`invalid ${option}: [${patterns.join(' ')}]: ${messageOf(error)}`, {
      code: 'USAGE',
      hint: error instanceof CairnError ? error.hint : undefined,
      cause: error,
    });
  }
}

function parse(text: string): Pattern[] {
  if (text === '') return [];
  let cleaned = clean(text);
  const exclusion = cleaned.startsWith('!');
  if (exclusion) {
    if (cleaned.length === 1) {
      throw new CairnError('illegal exclusion pattern: "!"', {
        code: 'USAGE',
        hint: 'Write the pattern that is to be an exception after the exclamation mark.',
      });
    }
    cleaned = cleaned.slice(1);
  }
  matchFile(toBinary(cleaned), '.');
  return [new Pattern(cleaned, exclusion)];
}

type Kind = 'exact' | 'prefix' | 'suffix' | 'regexp';

function compile(pattern: string): (path: string) => boolean {
  const { kind, source } = translate(pattern);
  switch (kind) {
    case 'exact':
      return (path) => path === pattern;
    case 'prefix': {
      const prefix = pattern.slice(0, -2);
      return (path) => path.startsWith(prefix);
    }
    case 'suffix': {
      const suffix = pattern.slice(2);
      const whole = suffix.startsWith('/') ? suffix.slice(1) : undefined;
      return (path) => path.endsWith(suffix) || path === whole;
    }
    case 'regexp': {
      let regexp: RegExp;
      try {
        regexp = compileGoRegexp(`^${source}$`);
      } catch {
        throw badPattern(pattern);
      }
      return (path) => regexp.test(path);
    }
  }
}

/** The kind of comparison that suffices, and the body of a Go regular expression. */
function translate(pattern: string): { kind: Kind; source: string } {
  // Go's text/scanner drops a byte order mark at the beginning.
  const chars = Array.from(pattern.replace(/^\ufeff/, ''));
  let kind: Kind = 'exact';
  let source = '';
  let i = 0;
  let first = true;
  while (i < chars.length) {
    const ch = chars[i++] ?? '';
    if (ch === '*' && chars[i] === '*') {
      i++;
      if (chars[i] === '/') i++;
      if (i >= chars.length) {
        if (kind === 'exact') kind = 'prefix';
        else {
          source += '.*';
          kind = 'regexp';
        }
      } else {
        source += '(.*/)?';
        kind = 'regexp';
      }
      if (first) kind = 'suffix';
    } else if (ch === '*' || ch === '?') {
      source += ch === '*' ? '[^/]*' : '[^/]';
      kind = 'regexp';
    } else if (ESCAPED.includes(ch)) {
      source += `\\${ch}`;
    } else if (ch === '\\') {
      source += ch;
      if (i < chars.length) {
        source += chars[i++] ?? '';
        kind = 'regexp';
      }
    } else {
      source += ch;
      if (ch === '[' || ch === ']') kind = 'regexp';
    }
    first = false;
  }
  return { kind, source };
}
