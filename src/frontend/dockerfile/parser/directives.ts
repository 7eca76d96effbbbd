/**
 * Parser directives: `# syntax=…`, `# check=…`, `# escape=…` above everything else in a Dockerfile
 * (rules of BuildKit v0.32.2, package frontend/dockerfile/parser).
 */
import { decodeText, replaceInvalid } from '../text/bytes.ts';
import { trimSpaceStart } from '../text/space.ts';
import type { Directive, DirectiveMatch } from './contract.ts';
import { DockerfileError, lineRanges } from './error.ts';
import { parseGoJson } from './json.ts';
import { MAX_LINE_BYTES } from './lines.ts';

const DIRECTIVE = /^([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=([^\n]+)$/;
const BLANKS = '\t\n\f\r ';

/** Reads directives line by line, until the first line that is none. */
export class DirectiveReader {
  readonly #prefix: string;
  readonly #seen = new Set<string>();
  #line: number;
  #done = false;

  /** `prefix` starts a comment; `line` is how many lines came before. */
  constructor(prefix = '#', line = 0) {
    this.#prefix = prefix;
    this.#line = line;
  }

  get done(): boolean {
    return this.#done;
  }

  /**
   * The directive in `line`, which has no line end.
   * @throws DockerfileError when there was one of that name already
   */
  read(line: string): Directive | undefined {
    this.#line++;
    if (this.#done) return undefined;
    const match = line.startsWith(this.#prefix)
      ? DIRECTIVE.exec(trimSpaceStart(line.slice(this.#prefix.length)))
      : null;
    const name = match?.[1]?.toLowerCase();
    const assigned = match?.[2] ?? '';
    if (name !== 'syntax' && name !== 'check' && name !== 'escape') {
      this.#done = true;
      return undefined;
    }
    if (this.#seen.has(name)) {
      throw new DockerfileError(`only one ${name} parser directive can be used`);
    }
    this.#seen.add(name);
    // A value of nothing but blanks counts as its last one.
    const value = trimBlanks(assigned) || assigned.slice(-1);
    return { name, value, location: lineRanges(this.#line, this.#line) };
  }
}

/** The value, up to its first space, of a `check` directive in a comment whose `#` was taken off. */
export function checkDirectiveOf(comment: string): string | undefined {
  const directive = new DirectiveReader('').read(comment);
  return directive?.name === 'check' ? upToSpace(directive.value) : undefined;
}

/**
 * The frontend that a Dockerfile asks for. Besides `# syntax=…`, this knows `// syntax=…` and a file that is a JSON
 * object with the key `syntax`, and skips a first line that starts with `#!`.
 */
export function detectSyntax(dockerfile: Uint8Array): DirectiveMatch | undefined {
  const { text, line } = withoutShebang(dockerfile);
  return (
    findDirective('syntax', text, new DirectiveReader('#', line)) ??
    findDirective('syntax', text, new DirectiveReader('//', line)) ??
    findJsonKey('syntax', text, line)
  );
}

/** The directive `name` of a Dockerfile. */
export function parseDirective(name: Directive['name'], dockerfile: Uint8Array): DirectiveMatch | undefined {
  const { text, line } = withoutShebang(dockerfile);
  return findDirective(name, text, new DirectiveReader('#', line));
}

function withoutShebang(dockerfile: Uint8Array): { text: string; line: number } {
  const text = decodeText(dockerfile).replace(/^\ufeff/, '');
  if (!text.startsWith('#!')) return { text, line: 0 };
  const end = text.indexOf('\n');
  return { text: end === -1 ? '' : text.slice(end + 1), line: 1 };
}

/** A directive that repeats ends the search; those before it stand. */
function findDirective(
  name: Directive['name'],
  text: string,
  reader: DirectiveReader,
): DirectiveMatch | undefined {
  for (let start = 0; start < text.length && !reader.done;) {
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline;
    if (Buffer.byteLength(text.slice(start, end)) >= MAX_LINE_BYTES) return undefined;
    const line = text.slice(start, end).replace(/\r$/, '');
    start = end + 1;
    let directive: Directive | undefined;
    try {
      directive = reader.read(line);
    } catch {
      return undefined;
    }
    if (directive?.name === name) {
      const { value, location } = directive;
      return { value: upToSpace(value), cmdline: value, location };
    }
  }
  return undefined;
}

function findJsonKey(key: string, text: string, line: number): DirectiveMatch | undefined {
  const parsed = parseGoJson(text);
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return undefined;
  const value: unknown = Object.entries(parsed).find(([name]) => name === key)?.[1];
  if (typeof value !== 'string') return undefined;
  const clean = replaceInvalid(value);
  return { value: clean, cmdline: clean, location: lineRanges(line, line) };
}

function trimBlanks(text: string): string {
  let end = text.length;
  while (end > 0 && BLANKS.includes(text.charAt(end - 1))) end--;
  let start = 0;
  while (start < end && BLANKS.includes(text.charAt(start))) start++;
  return text.slice(start, end);
}

function upToSpace(value: string): string {
  const space = value.indexOf(' ');
  return space === -1 ? value : value.slice(0, space);
}
