/** Number formats of Go's standard library and docker's go-units, with their error texts where BuildKit shows them. */
import { DockerfileError } from '../parser/error.ts';
import { goQuote } from '../../../errors/go_quote.ts';

/** Go's strconv.ParseBool; undefined when it is none of its twelve words. */
export function parseGoBool(text: string): boolean | undefined {
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  return /^(0|f|F|FALSE|false|False)$/.test(text) ? false : undefined;
}

/** Go's strconv.ParseUint for 32 bits in `base` 8 or 10; undefined when it is malformed or too large. */
export function parseUint32(text: string, base: 8 | 10): number | undefined {
  if (!(base === 8 ? /^[0-7]+$/ : /^[0-9]+$/).test(text)) return undefined;
  const value = Number.parseInt(text, base);
  return value <= 0xffffffff ? value : undefined;
}

/**
 * Go's strconv.ParseInt in base 10 for 32 bits.
 * @throws DockerfileError with Go's text
 */
export function parseInt32(text: string): number {
  const failed = (why: string): DockerfileError =>
    new DockerfileError(`strconv.ParseInt: parsing ${goQuote(text)}: ${why}`);
  const value = goDigits(text.replace(/^[+-]/, ''), 32);
  if (typeof value === 'string') throw failed(value);
  const signed = text.startsWith('-') ? -value : value;
  if (signed > 0x7fffffffn || signed < -0x80000000n) throw failed('value out of range');
  return Number(signed);
}

/**
 * The decimal number that `digits` are, or what strconv.ParseUint says is wrong with them: it reads from the left,
 * so that a number that gets too large is that even when no number follows.
 */
export function goDigits(digits: string, bits: 32 | 64): bigint | 'invalid syntax' | 'value out of range' {
  const number = /^[0-9]*/.exec(digits)?.[0] ?? '';
  if (number === '') return 'invalid syntax';
  const value = BigInt(number);
  if (value >= 1n << BigInt(bits)) return 'value out of range';
  return number === digits ? value : 'invalid syntax';
}

const NANOSECONDS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1000n,
  '\u00b5s': 1000n,
  '\u03bcs': 1000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};
const MAX_INT64 = (1n << 63n) - 1n;

/**
 * Go's time.ParseDuration: nanoseconds of `1h30m`, `-1.5s`, `0`.
 * @throws DockerfileError with Go's text
 */
export function parseDuration(text: string): bigint {
  const invalid = (): DockerfileError => new DockerfileError(`time: invalid duration ${goTimeQuote(text)}`);
  const sign = /^[+-]/.exec(text)?.[0] ?? '';
  let rest = text.slice(sign.length);
  if (rest === '0') return 0n;
  if (rest === '') throw invalid();
  const limit = sign === '-' ? MAX_INT64 + 1n : MAX_INT64;
  let total = 0n;
  while (rest !== '') {
    const number = /^(\d*)(?:\.(\d*))?/.exec(rest);
    const [whole, integer = '', fraction = ''] = number ?? [''];
    if (integer === '' && fraction === '') throw invalid();
    rest = rest.slice(whole.length);
    const unit = /^[^.\d]*/.exec(rest)?.[0] ?? '';
    if (unit === '') throw new DockerfileError(`time: missing unit in duration ${goTimeQuote(text)}`);
    const scale = NANOSECONDS[unit];
    if (scale === undefined) {
      throw new DockerfileError(`time: unknown unit ${goTimeQuote(unit)} in duration ${goTimeQuote(text)}`);
    }
    rest = rest.slice(unit.length);
    total += BigInt(integer === '' ? '0' : integer) * scale + fractionOf(fraction, scale);
    if (total > MAX_INT64 + 1n) throw invalid();
  }
  if (total > limit) throw invalid();
  return sign === '-' ? -total : total;
}

/** Go reads the fraction's digits until they overflow 63 bits and scales them as a float. */
function fractionOf(digits: string, scale: bigint): bigint {
  let value = 0n;
  let divisor = 1;
  for (const digit of digits) {
    const next = value * 10n + BigInt(digit);
    if (next > MAX_INT64) break;
    value = next;
    divisor *= 10;
  }
  return BigInt(Math.trunc(Number(value) * (Number(scale) / divisor)));
}

/** The time package's own quoting: no letters for control characters, bytes of other characters as `\xNN`. */
function goTimeQuote(text: string): string {
  let out = '"';
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    if (code >= 0x80 || code < 0x20) {
      for (const byte of Buffer.from(char, 'utf8')) out += `\\x${byte.toString(16).padStart(2, '0')}`;
    } else {
      out += char === '"' || char === '\\' ? `\\${char}` : char;
    }
  }
  return `${out}"`;
}

const BINARY_UNITS = 'kmgtp';

/** Bytes of a size as docker's go-units reads it (`64m`, `1.5 GiB`); undefined when it is malformed. */
export function parseRamBytes(text: string): bigint | undefined {
  const last = Math.max(...Array.from('0123456789. ', (char) => text.lastIndexOf(char)));
  if (last === -1) return undefined;
  const number = text.slice(0, text.charAt(last) === ' ' ? last : last + 1);
  const suffix = text.slice(last + 1).toLowerCase();
  const size = parseGoFloat(number);
  if (size === undefined || size < 0) return undefined;
  const unit = /^(?:b|([kmgtp])(?:i?b)?)?$/.exec(suffix);
  if (unit === null) return undefined;
  return toInt64(size * (unit[1] === undefined ? 1 : 1024 ** (BINARY_UNITS.indexOf(unit[1]) + 1)));
}

/** Go's strconv.ParseFloat for decimal numbers; undefined when it is malformed or too large. */
function parseGoFloat(text: string): number | undefined {
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

/** Go's conversion from float64 to int64 on amd64: what does not fit becomes the smallest number. */
function toInt64(value: number): bigint {
  const whole = BigInt(Math.trunc(value));
  return whole > MAX_INT64 ? -(1n << 63n) : whole;
}
