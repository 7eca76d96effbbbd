/**
 * Parameters of cache entries: a table says what an entry may have; checking, suggestions and the types of the
 * values are derived from it.
 */
import { CairnError, registerSecret } from '../../errors/error.ts';
import { didYouMean } from '../../errors/suggest.ts';

/** `to`: --cache-to, `from`: --cache-from. */
export type Side = 'to' | 'from';

interface ParameterBase {
  /** Where the parameter may be given. */
  side: Side | 'both';
  /** One or two sentences for users; printed in the documentation. */
  doc: string;
  /** The entry is refused without it. */
  required?: boolean;
  /** Never printed. */
  secret?: boolean;
}
/** Free text; `empty: false` refuses an empty value. */
interface TextParameter extends ParameterBase {
  kind: 'text';
  default?: string;
  empty?: boolean;
}
/** Go's strconv.ParseBool; with `bare`, an empty value is true. */
interface BoolParameter extends ParameterBase {
  kind: 'bool';
  default?: boolean;
  bare?: boolean;
}
interface IntegerParameter extends ParameterBase {
  kind: 'integer';
  default?: number;
  min?: number;
  max?: number;
}
/** Go's time.ParseDuration; the value is in milliseconds. */
interface DurationParameter extends ParameterBase {
  kind: 'duration';
  /** Milliseconds. */
  default?: number;
}
interface EnumParameter extends ParameterBase {
  kind: 'enum';
  values: readonly string[];
  default?: string;
}
/** Texts separated by `;`. */
interface ListParameter extends ParameterBase {
  kind: 'list';
  default?: readonly string[];
}
interface UrlParameter extends ParameterBase {
  kind: 'url';
}
interface DigestParameter extends ParameterBase {
  kind: 'digest';
}

export type Parameter =
  | TextParameter
  | BoolParameter
  | IntegerParameter
  | DurationParameter
  | EnumParameter
  | ListParameter
  | UrlParameter
  | DigestParameter;

/** By the name that users write. */
export type ParameterTable = Readonly<Record<string, Parameter>>;

type ValueOf<P extends Parameter> = P extends { kind: 'bool' }
  ? boolean
  : P extends { kind: 'integer' | 'duration' }
    ? number
    : P extends { kind: 'enum'; values: readonly (infer V)[] }
      ? V
      : P extends { kind: 'list' }
        ? readonly string[]
        : P extends { kind: 'digest' }
          ? `${string}:${string}`
          : string;

/** Values of a table: undefined only where a parameter has no default and need not be given. */
export type Values<T extends ParameterTable> = {
  readonly [K in keyof T]: T[K] extends { required: true } | { default: unknown }
    ? ValueOf<T[K]>
    : ValueOf<T[K]> | undefined;
};

export interface CheckOptions {
  /** The entry's type, for messages. */
  type: string;
  side: Side;
  /** As buildx and BuildKit do: unknown parameters are ignored, malformed ones take their default. */
  lenient?: boolean;
}

export const FLAGS: Record<Side, string> = { to: '--cache-to', from: '--cache-from' };

/**
 * Checks what an entry was given against its table.
 * @throws CairnError USAGE, with a suggestion, for a parameter that is unknown, belongs to the other side, is
 *   malformed or is missing
 */
export function checkParameters<const T extends ParameterTable>(
  table: T,
  attrs: Readonly<Record<string, string>>,
  options: CheckOptions,
): Values<T> {
  const { type, side, lenient = false } = options;
  const entry = `${FLAGS[side]} type=${type}`;
  const usable = Object.keys(table).filter((name) => [side, 'both'].includes(table[name]?.side ?? ''));
  for (const name of Object.keys(attrs)) {
    if (!lenient && !usable.includes(name)) throw unknownParameter(entry, name, usable, side, table[name]);
  }
  const values: Record<string, unknown> = {};
  for (const name of usable) {
    const parameter = table[name];
    const text = Object.hasOwn(attrs, name) ? attrs[name] : undefined;
    if (parameter === undefined) continue;
    if (text !== undefined && parameter.secret === true) registerSecret(text);
    const fallback = 'default' in parameter ? parameter.default : undefined;
    try {
      values[name] = text === undefined ? fallback : parseValue(parameter, text);
    } catch (error) {
      const { message, hint } =
        error instanceof BadValue ? error : { message: String(error), hint: undefined };
      if (!lenient) {
        const shown = parameter.secret === true ? '' : ` ${JSON.stringify(text)}`;
        throw new CairnError(`${entry}: ${name}:${shown} ${message}`, { code: 'USAGE', hint });
      }
      values[name] = fallback;
    }
    if (parameter.required === true && values[name] === undefined) {
      throw new CairnError(`${entry} requires ${name}`, { code: 'USAGE', hint: parameter.doc });
    }
  }
  return values as Values<T>;
}

function unknownParameter(
  entry: string,
  name: string,
  usable: readonly string[],
  side: Side,
  other: Parameter | undefined,
): CairnError {
  const elsewhere = `${name} is a parameter of ${FLAGS[side === 'to' ? 'from' : 'to']}`;
  const suggestion = didYouMean(name, usable) ?? `it has ${usable.toSorted().join(', ')}`;
  return new CairnError(`${entry} has no parameter ${JSON.stringify(name)}`, {
    code: 'USAGE',
    hint: other === undefined ? suggestion : elsewhere,
  });
}

/** Why a value is refused; the name and the value are put before it. */
class BadValue extends Error {
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

const TRUE = ['1', 't', 'T', 'TRUE', 'true', 'True'];
const FALSE = ['0', 'f', 'F', 'FALSE', 'false', 'False'];

function parseValue(parameter: Parameter, text: string): unknown {
  switch (parameter.kind) {
    case 'text':
      if (text === '' && (parameter.empty === false || parameter.required === true))
        throw new BadValue('must not be empty');
      return text;
    case 'bool':
      if (TRUE.includes(text) || (text === '' && parameter.bare === true)) return true;
      if (FALSE.includes(text)) return false;
      throw new BadValue('is neither true nor false');
    case 'integer':
      return parseInteger(parameter, text);
    case 'duration':
      return parseDuration(text);
    case 'enum':
      if (parameter.values.includes(text)) return text;
      throw new BadValue(`is not one of ${parameter.values.join(', ')}`, didYouMean(text, parameter.values));
    case 'list':
      return text.split(';').filter((each) => each !== '');
    case 'url':
      if (!URL.canParse(text)) throw new BadValue('is not a URL', 'write it as https://host/path');
      return text;
    case 'digest':
      if (!/^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(text))
        throw new BadValue('is not a digest', 'write it as sha256: and 64 hexadecimal digits');
      return text;
  }
}

function parseInteger({ min = -Infinity, max = Infinity }: IntegerParameter, text: string): number {
  const value = Number(text);
  if (!/^[+-]?\d+$/.test(text) || !Number.isSafeInteger(value)) throw new BadValue('is not a whole number');
  if (value < min) throw new BadValue(`is less than ${min}`);
  if (value > max) throw new BadValue(`is more than ${max}`);
  return value;
}

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

function parseDuration(text: string): number {
  if (text === '0') return 0;
  const pieces = [...text.matchAll(/(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/g)];
  if (pieces.length === 0 || pieces.map(([piece]) => piece).join('') !== text)
    throw new BadValue('is not a duration', 'write numbers with units, as 90s, 10m, 1h30m');
  return pieces.reduce((sum, [, number, unit = 's']) => sum + Number(number) * (UNITS[unit] ?? 0), 0);
}
