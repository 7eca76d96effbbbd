/** Integers in attributes, read as Go's strconv reads them. */
import { CairnError } from '../../../errors/error.ts';
import { goQuote } from '../../../errors/go_quote.ts';

const MAX_INT64 = (1n << 63n) - 1n;
const MAX_UINT64 = (1n << 64n) - 1n;

/** @throws CairnError USAGE with the text of strconv.ParseInt for base 10 and 64 bits */
export function parseInt64(text: string): bigint {
  if (!/^[+-]?[0-9]+$/.test(text)) throw numberError('ParseInt', text, 'invalid syntax');
  const value = BigInt(text.replace(/^\+/, ''));
  if (value > MAX_INT64 || value < -MAX_INT64 - 1n) throw numberError('ParseInt', text, 'value out of range');
  return value;
}

/** @throws CairnError USAGE with the text of strconv.ParseUint for base 10 and 64 bits */
export function parseUint64(text: string): bigint {
  if (!/^[0-9]+$/.test(text)) throw numberError('ParseUint', text, 'invalid syntax');
  const value = BigInt(text);
  if (value > MAX_UINT64) throw numberError('ParseUint', text, 'value out of range');
  return value;
}

function numberError(func: string, text: string, why: string): CairnError {
  return new CairnError(`strconv.${func}: parsing ${goQuote(text)}: ${why}`, { code: 'USAGE' });
}
