/** Heredocs: finding `<<NAME` words in a line, and their delimiters. */
import { EMPTY_ENV, Lex } from '../shell/lex.ts';
import type { Heredoc } from './contract.ts';
import { DockerfileError } from './error.ts';

const HEREDOC = /^(\d*)<<(-?)[\t\n\f\r ]*([^<\t\n\f\r ][^<]*)?$/;

// The escape directive does not reach into heredocs: the backslash always counts.
const lineLex = new Lex('\\', { rawQuotes: true, rawEscapes: true, skipUnsetEnv: true });
const plainLex = new Lex('\\', { skipUnsetEnv: true });
const quotingLex = new Lex('\\', { rawQuotes: true, skipUnsetEnv: true });

/**
 * The heredoc that `word` starts, still without content; undefined when it is none.
 * @throws DockerfileError when the delimiter's quotes do not end
 */
export function parseHeredoc(word: string): Heredoc | undefined {
  const [, descriptor = '', dash, delimiter = ''] = HEREDOC.exec(word) ?? [];
  if (delimiter === '') return undefined;
  const [name, ...more] = plainLex.processWords(delimiter, EMPTY_ENV);
  if (name === undefined || more.length > 0) return undefined;
  const [quoted, ...moreQuoted] = quotingLex.processWords(delimiter, EMPTY_ENV);
  if (quoted === undefined || moreQuoted.length > 0) {
    throw new DockerfileError(`internal lexing of heredoc produced inconsistent results: ${delimiter}`);
  }
  return {
    name,
    fileDescriptor: Number(descriptor),
    expand: countQuotes(name) === countQuotes(quoted),
    chomp: dash === '-',
    content: '',
  };
}

/** {@link parseHeredoc} for a word that was parsed before: undefined where that throws. */
export function asHeredoc(word: string): Heredoc | undefined {
  try {
    return parseHeredoc(word);
  } catch (error) {
    if (error instanceof DockerfileError) return undefined;
    throw error;
  }
}

/**
 * The heredocs that a logical line starts, in order; none when the line's quotes do not end.
 * @throws DockerfileError as {@link parseHeredoc}
 */
export function heredocsOfLine(line: string): Heredoc[] {
  return lineLex
    .tryWord(line, EMPTY_ENV)
    .words.map((word) => parseHeredoc(word))
    .filter((heredoc) => heredoc !== undefined);
}

/** `content` without the tabs at the start of each line, for `<<-`. */
export function chompHeredoc(content: string): string {
  return content.replace(/(^|\n)\t+/g, '$1');
}

function countQuotes(text: string): number {
  return text.split(/['"]/).length - 1;
}
