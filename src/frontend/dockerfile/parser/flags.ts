/** The `--flag` words between an instruction's keyword and its arguments. */
import { decodeText, encodeText } from '../text/bytes.ts';
import { isSpace } from '../text/space.ts';
import type { EscapeToken } from './contract.ts';

export interface SplitFlags {
  flags: string[];
  /** What follows the flags; white space in front may remain. */
  rest: string;
}

/**
 * Takes flags off the start of `text`; a lone `--` ends them and is dropped. Quotes and escapes are resolved.
 *
 * BuildKit goes through this text byte by byte and takes each byte for a character. So a flag with characters beyond
 * ASCII comes out as if its UTF-8 had been read as Latin-1, and the bytes 85 and A0 inside one separate words.
 */
export function extractFlags(text: string, escape: EscapeToken): SplitFlags {
  if (!/^[\t\n\v\f\r ]*--/.test(text)) return { flags: [], rest: text };
  const bytes = Buffer.from(encodeText(text)).toString('latin1');
  const { flags, end } = scanFlags(bytes, escape);
  return { flags, rest: decodeText(Buffer.from(bytes.slice(end), 'latin1')) };
}

function scanFlags(text: string, escape: EscapeToken): { flags: string[]; end: number } {
  const flags: string[] = [];
  let at = 0;
  for (;;) {
    while (at < text.length && isSpace(text.charAt(at))) at++;
    if (!text.startsWith('--', at)) return { flags, end: at };
    const word = scanWord(text, at, escape);
    at = word.end;
    if (word.text === '--') return { flags, end: at };
    flags.push(word.text);
  }
}

/** The word at `start`, up to unquoted white space or the end. */
function scanWord(text: string, start: number, escape: EscapeToken): { text: string; end: number } {
  let out = '';
  let quote: string | undefined;
  let at = start;
  for (; at < text.length; at++) {
    let char = text.charAt(at);
    if (quote === undefined && isSpace(char)) break;
    if (quote === undefined && (char === "'" || char === '"')) {
      quote = char;
      continue;
    }
    if (char === quote) {
      quote = undefined;
      continue;
    }
    if (char === escape) {
      if (at + 1 === text.length) continue;
      at++;
      char = text.charAt(at);
    }
    out += char;
  }
  return { text: out, end: at };
}
