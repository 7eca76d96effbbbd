/** Values as Go's flag packages read them, which docker's users are used to. */
import { CairnError } from '../errors/error.ts';

const TRUE = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);
const FALSE = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False']);

/** strconv.ParseBool; undefined when it is neither. */
export function parseBool(text: string): boolean | undefined {
  if (TRUE.has(text)) return true;
  return FALSE.has(text) ? false : undefined;
}

/** @throws CairnError USAGE; `what` names the flag or variable */
export function requireBool(text: string, what: string): boolean {
  const value = parseBool(text);
  if (value === undefined) {
    throw new CairnError(`invalid value ${JSON.stringify(text)} for ${what}: expected true or false`, {
      code: 'USAGE',
    });
  }
  return value;
}

const SIZE_UNITS: Record<string, number> = {
  '': 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
  p: 1024 ** 5,
};

/**
 * go-units' RAMInBytes: `64m`, `1.5g`, `2GiB`, plain bytes; units are powers of 1024.
 * @returns bytes
 * @throws CairnError USAGE
 */
export function parseMemory(text: string, what: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([kmgtp])?(?:i?b)?$/i.exec(text.trim());
  const value =
    match === null ? Number.NaN : Number(match[1]) * (SIZE_UNITS[(match[2] ?? '').toLowerCase()] ?? 1);
  if (!Number.isSafeInteger(Math.floor(value))) {
    throw new CairnError(`invalid size ${JSON.stringify(text)} for ${what}`, {
      code: 'USAGE',
      hint: 'write a number of bytes or one with a unit, e.g. 64m, 2g',
    });
  }
  return Math.floor(value);
}

const DURATION_UNITS: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/**
 * Go's time.ParseDuration: `72h`, `1h30m`, `500ms`.
 * @returns milliseconds
 * @throws CairnError USAGE
 */
export function parseDuration(text: string, what: string): number {
  const pieces = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)];
  if (text !== '0' && (pieces.length === 0 || pieces.map((p) => p[0]).join('') !== text)) {
    throw new CairnError(`invalid duration ${JSON.stringify(text)} for ${what}`, {
      code: 'USAGE',
      hint: 'write numbers with units, e.g. 72h, 1h30m',
    });
  }
  return pieces.reduce(
    (sum, [, number, unit]) => sum + Number(number) * (DURATION_UNITS[unit ?? ''] ?? 0),
    0,
  );
}
