/** Integers in attributes, read as Go's strconv reads them. */
import { CairnError } from '../../../errors/error.ts';
import { goQuote } from '../../../errors/go_quote.ts';
import { goDigits } from '../text/numbers.ts';

const MAX_INT64 = (1n << 63n) - 1n;

/** @throws CairnError USAGE with the text of strconv.ParseInt for base 10 and 64 bits */
export function parseInt64(text: string): bigint {
  const value = goDigits(text.replace(/^[+-]/, ''), 64);
  if (typeof value === 'string') throw numberError('ParseInt', text, value);
  const signed = text.startsWith('-') ? -value : value;
  if (signed > MAX_INT64 || signed < -MAX_INT64 - 1n) {
    throw numberError('ParseInt', text, 'value out of range');
  }
  return signed;
}

/** @throws CairnError USAGE with the text of strconv.ParseUint for base 10 and 64 bits */
export function parseUint64(text: string): bigint {
  const value = goDigits(text, 64);
  if (typeof value === 'string') throw numberError('ParseUint', text, value);
  return value;
}

function numberError(func: string, text: string, why: string): CairnError {
  return new CairnError(`strconv.${func}: parsing ${goQuote(text)}: ${why}`, { code: 'USAGE' });
}
