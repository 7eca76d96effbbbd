/** Attributes of source ops: text that is a list, a flag or a number. */
import { CairnError, messageOf } from '../errors/error.ts';

export type Attrs = Readonly<Record<string, string>>;

/** A JSON list of strings; absent: undefined. @throws CairnError SOLVE */
export function listAttr(attrs: Attrs, name: string): string[] | undefined {
  const text = attrs[name];
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CairnError(`invalid value for ${name}: ${messageOf(cause)}`, { code: 'SOLVE', cause });
  }
  if (value === null) return undefined;
  if (!Array.isArray(value) || !value.every((entry) => typeof entry === 'string')) {
    throw new CairnError(`invalid value for ${name}: not a list of strings`, { code: 'SOLVE' });
  }
  return value;
}

/** A whole number as Go's strconv.ParseInt with base 0 reads it; absent: 0. @throws CairnError SOLVE */
export function intAttr(attrs: Attrs, name: string): number {
  const text = attrs[name];
  if (text === undefined) return 0;
  const match = /^([+-]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)$/.exec(text);
  const digits = match?.[2];
  if (digits === undefined) {
    throw new CairnError(`invalid value for ${name}: "${text}" is not a number`, { code: 'SOLVE' });
  }
  const octal = /^0[0-7]+$/.test(digits);
  return Number(octal ? `0o${digits.slice(1)}` : digits) * (match?.[1] === '-' ? -1 : 1);
}

/** Refuses attributes that ask for something cairn cannot do. @throws CairnError UNSUPPORTED */
export function refuseAttrs(attrs: Attrs, what: string, names: readonly string[]): void {
  for (const name of names) {
    const value = attrs[name];
    if (value === undefined || value === '' || value === 'false') continue;
    throw new CairnError(`${what}: attribute ${name} is not supported`, { code: 'UNSUPPORTED' });
  }
}
