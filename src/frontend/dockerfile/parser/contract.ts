/**
 * What the parser makes of a Dockerfile: one {@link InstructionNode} per instruction, its arguments split as that
 * instruction wants them, nothing checked or expanded yet. Entry point: `parseDockerfile` in parser.ts.
 */
import type { SourceRange } from '../../../progress/events.ts';

export interface Heredoc {
  /** The delimiter without quotes. */
  name: string;
  /** 0 when none was written. */
  fileDescriptor: number;
  /** False when any part of the delimiter was quoted. */
  expand: boolean;
  /** `<<-`: leading tabs are to be taken off, see `chompHeredoc`. `content` still has them. */
  chomp: boolean;
  /** The lines between with their line ends as written. */
  content: string;
}

export interface InstructionNode {
  /** The keyword as written. */
  keyword: string;
  /** The whole logical line: continuation lines joined, comments inside taken out, leading space removed. */
  original: string;
  /** `--name=value` words between keyword and arguments, quotes removed. */
  flags: string[];
  /** For ENV and LABEL triples of name, value and `=` (empty in the legacy form). */
  args: string[];
  /** The arguments were a JSON array of strings. */
  json: boolean;
  /** The instruction after ONBUILD. */
  child?: InstructionNode;
  heredocs: Heredoc[];
  /** From 1. Of a child: those of its ONBUILD. */
  startLine: number;
  endLine: number;
  /** Comment lines directly above, `#` and surrounding space removed; a blank comment clears what came before. */
  comments: string[];
}

export interface ParserWarning {
  message: string;
  detail: string;
  url: string;
  location: SourceRange;
}

export interface ParsedDockerfile {
  instructions: InstructionNode[];
  escapeToken: EscapeToken;
  warnings: ParserWarning[];
}

export type EscapeToken = '\\' | '`';

export interface Directive {
  name: 'syntax' | 'check' | 'escape';
  value: string;
  location: SourceRange[];
}

/** Answer of `detectSyntax` and `parseDirective`. */
export interface DirectiveMatch {
  /** Up to the first space. */
  value: string;
  /** The whole value. */
  cmdline: string;
  location: SourceRange[];
}
