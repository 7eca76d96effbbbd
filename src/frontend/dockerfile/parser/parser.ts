/** From the text of a Dockerfile to its instructions (rules of BuildKit v0.32.2, package frontend/dockerfile/parser). */
import { decodeText } from '../text/bytes.ts';
import { trimSpace, trimSpaceStart } from '../text/space.ts';
import type { EscapeToken, Heredoc, InstructionNode, ParsedDockerfile, ParserWarning } from './contract.ts';
import { DirectiveReader } from './directives.ts';
import { DockerfileError, lineRanges, withLocation } from './error.ts';
import { heredocsOfLine } from './heredoc.ts';
import { canHaveHeredocs, parseInstructionLine } from './instruction.ts';
import { LineScanner, MAX_LINE_BYTES } from './lines.ts';

/** A line that goes on: the escape token is its last character but for blanks, and is not itself escaped. */
const CONTINUATION: Readonly<Record<EscapeToken, RegExp>> = {
  '\\': /(^|[^\\])\\[ \t]*$/,
  '`': /(^|[^`])`[ \t]*$/,
};

const EMPTY_CONTINUATION = {
  detail: 'Empty continuation lines will become errors in a future release',
  url: 'https://docs.docker.com/go/dockerfile/rule/no-empty-continuation/',
};

/**
 * Parses a Dockerfile, or the text of an ONBUILD trigger.
 * @throws DockerfileError with the lines in question; line 0 for an error in the first line's directive
 */
export function parseDockerfile(source: Uint8Array | string): ParsedDockerfile {
  return new Parser(typeof source === 'string' ? source : decodeText(source)).parse();
}

class Parser {
  readonly #scanner: LineScanner;
  readonly #directives = new DirectiveReader();
  readonly #instructions: InstructionNode[] = [];
  readonly #warnings: ParserWarning[] = [];
  #escape: EscapeToken = '\\';
  /** Lines taken so far. */
  #line = 0;
  #comments: string[] = [];

  constructor(text: string) {
    this.#scanner = new LineScanner(text);
  }

  parse(): ParsedDockerfile {
    for (let line = this.#scanner.next(); line !== undefined; line = this.#scanner.next()) {
      this.#parseFrom(this.#line === 0 ? line.replace(/^\ufeff/, '') : line);
    }
    if (this.#instructions.length === 0) {
      throw this.#failure(new DockerfileError('file with no instructions'), this.#line);
    }
    if (this.#scanner.tooLong) {
      throw this.#failure(
        new DockerfileError(`dockerfile line greater than max allowed size of ${MAX_LINE_BYTES - 1}`),
        this.#line,
      );
    }
    return {
      instructions: this.#instructions,
      escapeToken: this.#escape,
      warnings: this.#warnings,
    };
  }

  /** Takes in the instruction, comment, directive or blank line that starts with `first`. */
  #parseFrom(first: string): void {
    if (isComment(first)) this.#noteComment(first);
    const text = this.#takeLine(trimSpaceStart(trimNewline(first)));
    const startLine = this.#line;
    const head = this.#trimContinuation(text);
    if (head === undefined && text === '') return;
    const line = head === undefined ? text : head + this.#continuation(head);
    try {
      const node = parseInstructionLine(line, this.#escape);
      if (line.includes('<<') && canHaveHeredocs(node)) {
        node.heredocs = heredocsOfLine(line).map((heredoc) => this.#readHeredoc(heredoc));
      }
      node.comments = this.#comments;
      this.#comments = [];
      setLines(node, startLine, this.#line);
      this.#instructions.push(node);
    } catch (error) {
      throw this.#failure(error, startLine, this.#line);
    }
  }

  #noteComment(line: string): void {
    const comment = trimSpace(line.slice(1));
    if (comment === '') this.#comments = [];
    else this.#comments.push(comment);
  }

  /** Counts a line, obeys it if it is a directive, and returns it without comments. */
  #takeLine(line: string): string {
    try {
      const directive = this.#directives.read(line);
      if (directive !== undefined) this.#comments.pop();
      if (directive?.name === 'escape') this.#setEscape(directive.value);
    } catch (error) {
      throw this.#failure(error, this.#line);
    }
    this.#line++;
    return isComment(line) ? '' : line;
  }

  #setEscape(token: string): void {
    if (token !== '\\' && token !== '`') {
      throw new DockerfileError(`invalid escape token '${token}' does not match \` or \\`);
    }
    this.#escape = token;
  }

  /** The lines that continue one which began with `head`, joined. */
  #continuation(head: string): string {
    let joined = '';
    let hadEmptyLine = false;
    for (let line = this.#scanner.next(); line !== undefined; line = this.#scanner.next()) {
      const text = this.#takeLine(trimNewline(line));
      if (isComment(line)) continue;
      if (trimSpaceStart(text) === '') {
        hadEmptyLine = true;
        continue;
      }
      const trimmed = this.#trimContinuation(text);
      joined += trimmed ?? text;
      if (trimmed === undefined) break;
    }
    if (hadEmptyLine) {
      const [location] = lineRanges(this.#line, this.#line);
      if (location !== undefined) {
        const message = `Empty continuation line found in: ${head}${joined}`;
        this.#warnings.push({ message, ...EMPTY_CONTINUATION, location });
      }
    }
    return joined;
  }

  /** `line` without the escape token that continues it; undefined when it does not go on. */
  #trimContinuation(line: string): string | undefined {
    const match = CONTINUATION[this.#escape].exec(line);
    return match === null ? undefined : line.slice(0, match.index) + (match[1] ?? '');
  }

  #readHeredoc(heredoc: Heredoc): Heredoc {
    let content = '';
    for (let line = this.#scanner.next(); line !== undefined; line = this.#scanner.next()) {
      this.#line++;
      const text = trimNewline(line);
      if ((heredoc.chomp ? text.replace(/^\t+/, '') : text) === heredoc.name) {
        return { ...heredoc, content };
      }
      content += line;
    }
    throw new DockerfileError('unterminated heredoc');
  }

  #failure(error: unknown, startLine: number, endLine = 0): DockerfileError {
    return withLocation(error, lineRanges(startLine, endLine));
  }
}

function setLines(node: InstructionNode, startLine: number, endLine: number): void {
  node.startLine = startLine;
  node.endLine = endLine;
  if (node.child !== undefined) setLines(node.child, startLine, endLine);
}

function isComment(line: string): boolean {
  return trimSpaceStart(line).startsWith('#');
}

/** Without all carriage returns and newlines at the end. */
function trimNewline(line: string): string {
  let end = line.length;
  while (end > 0 && '\r\n'.includes(line.charAt(end - 1))) end--;
  return line.slice(0, end);
}
