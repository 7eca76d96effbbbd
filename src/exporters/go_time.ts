import { CairnError } from '../errors/error.ts';

/**
 * A point in time as Go's time.Time goes through JSON: RFC 3339 with up to nine decimals, zeros at their end
 * dropped, and `Z` for every offset of zero.
 */
export interface GoTime {
  /** Since 1970, rounded down. */
  seconds: number;
  nanoseconds: number;
  text: string;
}

const RFC3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)$/;

/** @throws CairnError CORRUPT when it is not an RFC 3339 time */
export function parseGoTime(text: string): GoTime {
  const [, local = '', fraction = '', zone = ''] = RFC3339.exec(text) ?? [];
  const ms = Date.parse(local + zone);
  if (Number.isNaN(ms)) {
    throw new CairnError(`image config has an invalid time ${JSON.stringify(text.slice(0, 100))}`, {
      code: 'CORRUPT',
    });
  }
  const decimals = fraction.slice(0, 9).replace(/0+$/, '');
  return {
    seconds: ms / 1000,
    nanoseconds: Number(decimals.padEnd(9, '0')),
    text: `${local}${decimals === '' ? '' : `.${decimals}`}${/^[+-]00:00$/.test(zone) ? 'Z' : zone}`,
  };
}

/** Whole seconds since 1970, in UTC. */
export function goTimeOfEpoch(seconds: number): GoTime {
  return { seconds, nanoseconds: 0, text: new Date(seconds * 1000).toISOString().replace('.000Z', 'Z') };
}

export function isAfter(a: GoTime, b: GoTime): boolean {
  return a.seconds === b.seconds ? a.nanoseconds > b.nanoseconds : a.seconds > b.seconds;
}
