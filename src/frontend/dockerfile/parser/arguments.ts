/** How the text after a keyword becomes arguments: each instruction has one of a few ways. */
import { decodeText, encodeText, replaceInvalid } from '../text/bytes.ts';
import { goQuote } from '../../../errors/go_quote.ts';
import { isSpace, trimSpaceStart } from '../text/space.ts';
import type { EscapeToken } from './contract.ts';
import { DockerfileError } from './error.ts';
import { parseGoJson } from './json.ts';
import type { Keyword } from './keywords.ts';

export interface ParsedArguments {
  args: string[];
  /** They were a JSON array. */
  json: boolean;
}

/** `text` is trimmed. */
type ArgumentParser = (text: string, escape: EscapeToken) => ParsedArguments;

/** White space that separates; a newline does not. */
const SEPARATOR = /[\t\v\f\r ]+/;

/** All instructions but ONBUILD, whose argument is an instruction. */
export const ARGUMENT_PARSERS: Readonly<Record<Exclude<Keyword, 'onbuild'>, ArgumentParser>> = {
  add: jsonOrWords,
  arg: (text, escape) => plain(quotedWords(text, escape)),
  cmd: jsonOrText,
  copy: jsonOrWords,
  entrypoint: jsonOrText,
  env: (text, escape) => plain(pairs(text, 'ENV', escape)),
  expose: (text) => plain(words(text)),
  from: (text) => plain(words(text)),
  healthcheck: typeAndCommand,
  label: (text, escape) => plain(pairs(text, 'LABEL', escape)),
  maintainer: (text) => plain(whole(text)),
  run: jsonOrText,
  shell: jsonOrText,
  stopsignal: (text) => plain(whole(text)),
  user: (text) => plain(whole(text)),
  volume: jsonOrWords,
  workdir: (text) => plain(whole(text)),
};

/** `text` up to the first separator, and what follows it; undefined when there is no separator. */
export function splitOnce(text: string): [string, string | undefined] {
  const match = SEPARATOR.exec(text);
  if (match === null) return [text, undefined];
  return [text.slice(0, match.index), text.slice(match.index + match[0].length)];
}

function plain(args: string[]): ParsedArguments {
  return { args, json: false };
}

function whole(text: string): string[] {
  return text === '' ? [] : [text];
}

function words(text: string): string[] {
  return text === '' ? [] : text.split(SEPARATOR);
}

function jsonOrText(text: string): ParsedArguments {
  return jsonArray(text) ?? plain(whole(text));
}

function jsonOrWords(text: string): ParsedArguments {
  return jsonArray(text) ?? plain(words(text));
}

/**
 * The strings of a JSON array; undefined when `text` is none, which is then read as text.
 * @throws DockerfileError for an array with anything but strings
 */
function jsonArray(text: string): ParsedArguments | undefined {
  const trimmed = trimSpaceStart(text);
  if (!trimmed.startsWith('[')) return undefined;
  const parsed = parseGoJson(trimmed);
  if (!Array.isArray(parsed)) return undefined;
  const args = parsed.map((value: unknown) => {
    if (typeof value !== 'string') {
      throw new DockerfileError('when using JSON array syntax, arrays must be comprised of strings only');
    }
    return replaceInvalid(value);
  });
  return { args, json: true };
}

/** HEALTHCHECK: a word, then a command. The word ends at a byte that would be white space in Latin-1. */
function typeAndCommand(text: string): ParsedArguments {
  if (text === '') return plain([]);
  const bytes = Buffer.from(encodeText(text)).toString('latin1');
  let typeEnd = 0;
  while (typeEnd < bytes.length && !isSpace(bytes.charAt(typeEnd))) typeEnd++;
  let start = typeEnd;
  while (start < bytes.length && isSpace(bytes.charAt(start))) start++;
  const type = decodeText(Buffer.from(bytes.slice(0, typeEnd), 'latin1'));
  const command = jsonOrText(decodeText(Buffer.from(bytes.slice(start), 'latin1')));
  return { args: [type, ...command.args], json: command.json };
}

/**
 * ENV and LABEL: triples of name, value, and `=` or nothing. The first word decides: with `=` in it all words are
 * `name=value`, otherwise it is the one name and all the rest its value.
 */
function pairs(text: string, keyword: string, escape: EscapeToken): string[] {
  const found = quotedWords(text, escape);
  const first = found[0];
  if (first === undefined) return [];
  if (!first.includes('=')) {
    const [name, value] = splitOnce(text);
    if (value === undefined) throw new DockerfileError(`${keyword} must have two arguments`);
    return [name, value, ''];
  }
  return found.flatMap((word) => {
    const equals = word.indexOf('=');
    if (equals === -1) {
      throw new DockerfileError(
        `Syntax error - can't find = in ${goQuote(word)}. Must be of the form: name=value`,
      );
    }
    return [word.slice(0, equals), word.slice(equals + 1), '='];
  });
}

/** Words separated by white space outside quotes. Quotes and escapes stay in them; an escape at the end is dropped. */
function quotedWords(text: string, escape: EscapeToken): string[] {
  const found: string[] = [];
  const chars = Array.from(replaceInvalid(text));
  let word: string | undefined;
  let quote: string | undefined;
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? '';
    if (quote === undefined && isSpace(char)) {
      if (word !== undefined && word !== '') found.push(word);
      word = undefined;
      continue;
    }
    word ??= '';
    if (char === escape && quote !== "'") {
      if (at + 1 === chars.length) break;
      at++;
      word += char + (chars[at] ?? '');
      continue;
    }
    if (quote === undefined && (char === "'" || char === '"')) quote = char;
    else if (char === quote) quote = undefined;
    word += char;
  }
  if (word !== undefined && word !== '') found.push(word);
  return found;
}
