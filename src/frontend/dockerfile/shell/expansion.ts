/** One run of word expansion: quotes, escapes, `$name` and `${name…}` (BuildKit v0.32.2, package shell). */
import { DockerfileError } from '../parser/error.ts';
import type { EscapeToken } from '../parser/contract.ts';
import type { Env, LexOptions } from './contract.ts';
import { MAX_EXPANDED_LENGTH, replacePattern, tooLong, trimPrefix, trimSuffix } from './pattern.ts';
import { CharReader } from './reader.ts';
import { WordSplitter } from './splitter.ts';
import type { WordBuffer } from './splitter.ts';

/** Levels of `${a:-${b:-…}}`. */
const MAX_NESTING = 500;

const NAME_CHAR = /^[\p{L}\p{Nd}_]$/u;
const DIGIT = /^\p{Nd}$/u;
const SPECIAL_PARAMETER = /^[@*#?\-$!0]$/;
const END = '\ufffd';

export class Expansion {
  readonly matched = new Set<string>();
  readonly unmatched = new Set<string>();
  readonly #reader: CharReader;
  readonly #env: Env;
  readonly #escape: EscapeToken;
  readonly #options: LexOptions;
  readonly #buffer: WordBuffer = { text: '' };
  #rawEscapes: boolean;
  #depth = 0;
  #expandedLength = 0;

  constructor(word: string, env: Env, escape: EscapeToken, options: LexOptions) {
    this.#reader = new CharReader(word);
    this.#env = env;
    this.#escape = escape;
    this.#options = options;
    this.#rawEscapes = options.rawEscapes ?? false;
  }

  /** @throws DockerfileError */
  run(): { result: string; words: string[] } {
    return this.#until(undefined, this.#rawEscapes);
  }

  /** Expands up to `stop`, which is consumed, or to the end when `stop` is undefined. */
  #until(stop: string | undefined, rawEscapes: boolean): { result: string; words: string[] } {
    if (++this.#depth > MAX_NESTING) {
      throw new DockerfileError(`substitutions are nested more than ${MAX_NESTING} levels deep`);
    }
    const outer = this.#rawEscapes;
    this.#rawEscapes = rawEscapes;
    try {
      return this.#collect(stop);
    } finally {
      this.#rawEscapes = outer;
      this.#depth--;
    }
  }

  #collect(stop: string | undefined): { result: string; words: string[] } {
    const reader = this.#reader;
    const words = new WordSplitter(this.#buffer);
    let result = '';
    for (let char = reader.peek(); char !== undefined; char = reader.peek()) {
      if (char === stop) {
        reader.next();
        return { result, words: words.finish() };
      }
      const special = this.#special(char);
      if (special !== undefined) {
        result += special;
        if (char === '$') words.add(special);
        else words.addRaw(special);
      } else if (char === this.#escape) {
        reader.next();
        const kept = this.#rawEscapes ? char : '';
        const escaped = reader.next();
        if (escaped === undefined) {
          if (kept !== '') words.addRaw(kept);
          result += kept;
          break;
        }
        words.addRaw(kept + escaped);
        result += kept + escaped;
      } else {
        reader.next();
        words.add(char);
        result += char;
      }
    }
    if (stop !== undefined) {
      throw new DockerfileError(`unexpected end of statement while looking for matching ${stop}`);
    }
    return { result, words: words.finish() };
  }

  /** What a character with a meaning stands for, up to where that ends; undefined for any other. */
  #special(char: string): string | undefined {
    if (char === '$') return this.#dollar();
    if (char === '<') return this.#heredocStart();
    if (this.#options.skipProcessQuotes === true) return undefined;
    if (char === "'") return this.#singleQuoted();
    return char === '"' ? this.#doubleQuoted() : undefined;
  }

  #singleQuoted(): string {
    this.#reader.next();
    let text = '';
    for (let char = this.#reader.next(); char !== "'"; char = this.#reader.next()) {
      if (char === undefined) throw unterminated('single-quote');
      text += char;
    }
    return this.#options.rawQuotes === true ? `'${text}'` : text;
  }

  #doubleQuoted(): string {
    const reader = this.#reader;
    reader.next();
    let text = '';
    for (;;) {
      const char = reader.peek();
      if (char === undefined) throw unterminated('double-quote');
      if (char === '$') {
        text += this.#dollar();
        continue;
      }
      reader.next();
      if (char === '"') break;
      if (char !== this.#escape) {
        text += char;
        continue;
      }
      if (this.#rawEscapes) text += char;
      const next = reader.peek();
      if (next === undefined) continue;
      if (next === '"' || next === '$' || next === this.#escape) {
        reader.next();
        text += next;
      } else {
        text += char;
      }
    }
    return this.#options.rawQuotes === true ? `"${text}"` : text;
  }

  /** `<<` and the white space after it stay together with what follows, so that a heredoc is one word. */
  #heredocStart(): string {
    const reader = this.#reader;
    reader.next();
    if (reader.peek() !== '<') return '<';
    reader.next();
    let text = '<<';
    for (let char = reader.peek(); char === ' ' || char === '\t' || char === '\r';) {
      text += char;
      reader.next();
      char = reader.peek();
    }
    return text;
  }

  #dollar(): string {
    const value = this.#reference();
    this.#expandedLength += value.length;
    if (this.#expandedLength > MAX_EXPANDED_LENGTH) throw tooLong();
    return value;
  }

  #reference(): string {
    const reader = this.#reader;
    reader.next();
    if (reader.peek() !== '{') {
      const name = this.#name();
      if (name === '') return '$';
      const value = this.#lookUp(name);
      return value ?? (this.#options.skipUnsetEnv === true ? `$${name}` : '');
    }
    reader.next();
    const first = reader.peek();
    if (first === undefined) throw missing('}');
    if (first === '{' || first === '}' || first === ':') {
      throw new DockerfileError('syntax error: bad substitution');
    }
    const name = this.#name();
    const modifier = reader.next();
    switch (modifier) {
      case '}': {
        const value = this.#lookUp(name);
        return value ?? (this.#options.skipUnsetEnv === true ? `\${${name}}` : '');
      }
      case ':':
        return this.#conditional(name, reader.next() ?? END, true);
      case '+':
      case '-':
      case '?':
      case '#':
      case '%':
        return this.#conditional(name, modifier, false);
      case '/':
        return this.#replacement(name);
      default:
        throw unsupported(modifier ?? END);
    }
  }

  /** `:-`, `-`, `:+`, `+`, `:?`, `?`, `#`, `##`, `%`, `%%`; `orEmpty` for those with a colon. */
  #conditional(name: string, modifier: string, orEmpty: boolean): string {
    const written = (orEmpty ? ':' : '') + modifier;
    const trims = modifier === '#' || modifier === '%';
    if (orEmpty && trims) throw unsupported(written);
    const word = this.#operand('}', trims);
    const value = this.#lookUp(name);
    if (value === undefined && this.#options.skipUnsetEnv === true) {
      return `\${${name}${written}${word}}`;
    }
    const present = value !== undefined && !(orEmpty && value === '');
    switch (modifier) {
      case '-':
        return present ? value : word;
      case '+':
        return present ? word : '';
      case '?':
        if (present) return value;
        throw new DockerfileError(
          `${name}: ${word === '' ? `is not allowed to be ${value === undefined ? 'unset' : 'empty'}` : word}`,
        );
      case '#':
      case '%': {
        const greedy = word.startsWith(modifier);
        const pattern = greedy ? word.slice(1) : word;
        const trim = modifier === '#' ? trimPrefix : trimSuffix;
        return trim(pattern, value ?? '', greedy);
      }
      default:
        throw unsupported(written);
    }
  }

  /** `${name/pattern/text}` and `${name//pattern/text}`. */
  #replacement(name: string): string {
    const all = this.#reader.peek() === '/';
    if (all) this.#reader.next();
    const pattern = this.#operand('/', true);
    const replacement = this.#operand('}', true);
    const value = this.#lookUp(name);
    if (value === undefined && this.#options.skipUnsetEnv === true) {
      return `\${${name}/${pattern}/${replacement}}`;
    }
    return replacePattern(pattern, value ?? '', replacement, all);
  }

  #operand(stop: '}' | '/', rawEscapes: boolean): string {
    try {
      return this.#until(stop, rawEscapes).result;
    } catch (error) {
      if (this.#reader.atEnd()) throw missing(stop);
      throw error;
    }
  }

  #name(): string {
    const reader = this.#reader;
    const first = reader.peek();
    if (first === undefined) return '';
    if (SPECIAL_PARAMETER.test(first) && !DIGIT.test(first)) {
      reader.next();
      return first;
    }
    const part = DIGIT.test(first) ? DIGIT : NAME_CHAR;
    let name = '';
    for (let char = reader.peek(); char !== undefined && part.test(char); char = reader.peek()) {
      name += char;
      reader.next();
    }
    return name;
  }

  #lookUp(name: string): string | undefined {
    const value = this.#env.get(name);
    (value === undefined ? this.unmatched : this.matched).add(name);
    return value;
  }
}

function unterminated(quote: 'single-quote' | 'double-quote'): DockerfileError {
  return new DockerfileError(`unexpected end of statement while looking for matching ${quote}`);
}

function missing(delimiter: '}' | '/'): DockerfileError {
  const where = delimiter === '/' ? ' in ${}' : '';
  return new DockerfileError(`syntax error: missing '${delimiter}'${where}`);
}

function unsupported(modifier: string): DockerfileError {
  return new DockerfileError(`unsupported modifier (${modifier}) in substitution`);
}
