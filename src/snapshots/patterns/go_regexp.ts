/**
 * The part of Go's regular expression syntax (RE2, Perl flags) that moby's patternmatcher can emit, turned into
 * an equal JavaScript expression. Patterns reach the expression only half escaped: `|`, `{2}`, `^`, classes and
 * letters behind a backslash keep their meaning as operators, and those who rely on BuildKit's answers get them.
 */

/** Go refuses counts above this (regexp/syntax maxRepeat). */
const MAX_REPEAT = 1000;

const PERL_CLASSES: Record<string, string> = {
  d: '0-9',
  s: '\\t\\n\\f\\r ',
  w: '0-9A-Za-z_',
};

const POSIX_CLASSES: Record<string, string> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\x00-\\x7f',
  blank: '\\t ',
  cntrl: '\\x00-\\x1f\\x7f',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@\\[-`\\{-~',
  space: '\\t\\n\\v\\f\\r ',
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
};

const CONTROL_ESCAPES: Record<string, number> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };

/** @throws SyntaxError where Go's regexp.Compile would fail */
export function compileGoRegexp(source: string): RegExp {
  return new RegExp(new Translator(Array.from(source)).translate(), 'u');
}

class Translator {
  readonly #in: string[];
  #at = 0;

  constructor(source: string[]) {
    this.#in = source;
  }

  translate(): string {
    let out = '';
    /** The last thing that a count or star would apply to. */
    let atom: string | undefined;
    let repeated = false;
    const push = (next: string | undefined): void => {
      out += atom ?? '';
      atom = next;
      repeated = false;
    };
    let group: string | undefined;
    while (this.#at < this.#in.length) {
      const ch = this.#in[this.#at] ?? '';
      if (ch === '*' || ch === '?') {
        this.#at++;
        if (atom === undefined || repeated) throw new SyntaxError('missing argument to repetition operator');
        atom = `(?:${atom})${ch}`;
        repeated = true;
      } else if (ch === '{') {
        const count = this.#count();
        if (count === undefined) {
          this.#at++;
          push('\\{');
        } else {
          if (atom === undefined || repeated)
            throw new SyntaxError('missing argument to repetition operator');
          atom = `(?:${atom})${count}`;
          repeated = true;
        }
      } else if (ch === '(') {
        this.#at++;
        push(undefined);
        group = out;
        out = '';
      } else if (ch === ')') {
        this.#at++;
        push(undefined);
        atom = `(?:${out})`;
        out = group ?? '';
        group = undefined;
      } else if (ch === '|') {
        this.#at++;
        push(undefined);
        out += '|';
      } else if (ch === '[') push(this.#class());
      else if (ch === '\\') {
        if (this.#in[this.#at + 1] === 'Q') {
          for (const literal of this.#quoted()) push(codePoint(literal.codePointAt(0) ?? 0));
        } else push(this.#escape());
      } else {
        this.#at++;
        if (ch === '.') push('[^\\n]');
        else if (ch === '^' || ch === '$') push(ch);
        else push(codePoint(ch.codePointAt(0) ?? 0));
      }
    }
    push(undefined);
    return out;
  }

  /** `{n}`, `{n,}` or `{n,m}`; undefined when the brace is a literal. */
  #count(): string | undefined {
    const found = /^\{(\d+)(,(\d*))?\}/.exec(this.#in.slice(this.#at).join(''));
    if (found === null || /^0\d/.test(found[1] ?? '') || /^0\d/.test(found[3] ?? '')) return undefined;
    const low = Number(found[1]);
    const high = found[3] === undefined || found[3] === '' ? low : Number(found[3]);
    if (low > MAX_REPEAT || high > MAX_REPEAT || low > high) throw new SyntaxError('invalid repeat count');
    this.#at += found[0].length;
    return found[0];
  }

  #quoted(): string[] {
    const start = this.#at + 2;
    let end = start;
    while (end < this.#in.length && !(this.#in[end] === '\\' && this.#in[end + 1] === 'E')) end++;
    this.#at = Math.min(end + 2, this.#in.length);
    return this.#in.slice(start, end);
  }

  #escape(): string {
    const ch = this.#in[this.#at + 1];
    const perl = this.#perlClass();
    if (perl !== undefined) return perl;
    const assertion = { A: '^', z: '$', b: '\\b', B: '\\B' }[ch ?? ''];
    if (assertion !== undefined) {
      this.#at += 2;
      return assertion;
    }
    return codePoint(this.#escapedCode());
  }

  /** `\d`, `\W`, `\pL` …: a class of its own. */
  #perlClass(): string | undefined {
    const ch = this.#in[this.#at + 1] ?? '';
    const set = PERL_CLASSES[ch.toLowerCase()];
    if (set !== undefined) {
      this.#at += 2;
      return ch === ch.toLowerCase() ? `[${set}]` : `[^${set}]`;
    }
    return ch === 'p' || ch === 'P' ? this.#unicodeClass(ch) : undefined;
  }

  /** `\pL`, `\p{Lu}`, `\p{Greek}`, `\p{^Greek}`: a category or a script. */
  #unicodeClass(ch: 'p' | 'P'): string {
    const found = /^(?:\{(\^?)(\w+)\}|(\w))/u.exec(this.#in.slice(this.#at + 2).join(''));
    const [whole, caret, long, short] = found ?? [''];
    const name = long ?? short ?? '';
    const property = name === 'Any' || /^[CLMNPSZ][a-z]?$/.test(name) ? name : `Script=${name}`;
    const letter = caret === '^' ? { p: 'P', P: 'p' }[ch] : ch;
    const set = `\\${letter}{${property}}`;
    try {
      new RegExp(set, 'u');
    } catch {
      throw new SyntaxError('invalid character class range');
    }
    this.#at += 2 + whole.length;
    return set;
  }

  /** Code point of an escape at the current place. */
  #escapedCode(): number {
    const rest = this.#in.slice(this.#at + 1).join('');
    const ch = this.#in[this.#at + 1];
    if (ch === undefined) throw new SyntaxError('trailing backslash at end of expression');
    const octal = /^(?:0[0-7]{0,2}|[1-7][0-7]{1,2})/.exec(rest);
    if (octal !== null) {
      this.#at += 1 + octal[0].length;
      return Number.parseInt(octal[0], 8);
    }
    const hex = /^x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]+)\})/.exec(rest);
    if (hex !== null) {
      const code = Number.parseInt(hex[1] ?? hex[2] ?? '', 16);
      if (code > 0x10ffff) throw new SyntaxError('invalid escape sequence');
      this.#at += 1 + hex[0].length;
      return code;
    }
    const control = CONTROL_ESCAPES[ch];
    if (control === undefined && (ch > '\x7f' || /[0-9A-Za-z]/.test(ch))) {
      throw new SyntaxError('invalid escape sequence');
    }
    this.#at += 2;
    return control ?? ch.codePointAt(0) ?? 0;
  }

  #class(): string {
    this.#at++;
    const negated = this.#in[this.#at] === '^';
    if (negated) this.#at++;
    let set = '';
    for (let first = true; first || this.#in[this.#at] !== ']'; first = false) {
      if (this.#at >= this.#in.length) throw new SyntaxError('missing closing ]');
      const named = /^\[:(\^?)([\s\S]*?):\]/.exec(this.#in.slice(this.#at).join(''));
      if (named !== null) {
        const chars = POSIX_CLASSES[named[2] ?? ''];
        if (chars === undefined) throw new SyntaxError('invalid character class range');
        set += named[1] === '^' ? complement(chars) : chars;
        this.#at += Array.from(named[0]).length;
        continue;
      }
      if (this.#in[this.#at] === '\\') {
        const perl = this.#perlClass();
        if (perl !== undefined) {
          if (perl.startsWith('[^')) set += complement(perl.slice(2, -1));
          else set += perl.startsWith('[') ? perl.slice(1, -1) : perl;
          continue;
        }
      }
      const low = this.#classChar();
      let high = low;
      if (this.#in[this.#at] === '-' && this.#at + 1 < this.#in.length && this.#in[this.#at + 1] !== ']') {
        this.#at++;
        high = this.#classChar();
        if (high < low) throw new SyntaxError('invalid character class range');
      }
      set += high === low ? codePoint(low) : `${codePoint(low)}-${codePoint(high)}`;
    }
    this.#at++;
    return `[${negated ? '^' : ''}${set}]`;
  }

  #classChar(): number {
    const ch = this.#in[this.#at];
    if (ch === undefined) throw new SyntaxError('missing closing ]');
    if (ch === '\\') return this.#escapedCode();
    this.#at++;
    return ch.codePointAt(0) ?? 0;
  }
}

function codePoint(code: number): string {
  return `\\u{${code.toString(16)}}`;
}

/** Everything but the characters of a set of single code points and ranges below U+0080. */
function complement(set: string): string {
  const inside = new RegExp(`[${set}]`, 'u');
  let out = '';
  for (let code = 0; code < 0x80; code++) {
    if (!inside.test(String.fromCodePoint(code))) out += codePoint(code);
  }
  return `${out}\\u{80}-\\u{10ffff}`;
}
