/**
 * Dates of HTTP headers: the three formats that Go's net/http reads, as strictly and as loosely as it does, because
 * a date that it reads is part of the key of a file.
 */

const DAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

const DAY = `(?:${DAYS.join('|')})`;
const SHORT_DAY = `(?:${DAYS.map((day) => day.slice(0, 3)).join('|')})`;
const MONTH = `(?<month>${MONTHS.join('|')})`;
const TIME = '(?<hour>\\d{1,2}):(?<minute>\\d\\d):(?<second>\\d\\d)(?:[.,]\\d+)?';
/** Go reads any abbreviation, and takes those that it does not know for a zone like UTC. */
const ZONE = /^(?:UTC|ChST|MeST|WITA|GMT(?:[+-]\d{1,2})?|[+-]\d{1,2}|[A-Z]{3}|[A-Z]{3,4}T)$/;

/** `Tue, 14 Nov 2023 22:13:20 GMT`, as servers should write it. */
const FIXED = new RegExp(
  `^${SHORT_DAY}, +(?<day>\\d\\d) +${MONTH} +(?<year>\\d{4}) +${TIME} +(?<zone>GMT)$`,
  'i',
);
/** `Tuesday, 14-Nov-23 22:13:20 GMT` (RFC 850). */
const WITH_DASHES = new RegExp(
  `^${DAY}, +(?<day>\\d\\d)-${MONTH}-(?<year>\\d\\d) +${TIME} +(?<zone>\\S+)$`,
  'i',
);
/** `Tue Nov 14 22:13:20 2023`, of C's asctime. */
const ASCTIME = new RegExp(`^${SHORT_DAY} +${MONTH} +(?<day>\\d{1,2}) +${TIME} +(?<year>\\d{4})$`, 'i');

/** From this one on, years of two digits are of the last century. */
const FIRST_OLD_YEAR = 69;

/** The time that a header names; undefined for what Go would not read. Days of the week are not compared. */
export function httpDate(text: string | undefined): Date | undefined {
  const found = FIXED.exec(text ?? '') ?? WITH_DASHES.exec(text ?? '') ?? ASCTIME.exec(text ?? '');
  if (found?.groups === undefined) return undefined;
  const { zone = 'GMT', month = '' } = found.groups;
  if (!ZONE.test(zone)) return undefined;
  const part = (name: string): number => Number(found.groups?.[name]);
  const [day, hour, minute, second] = [part('day'), part('hour'), part('minute'), part('second')];
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  let year = part('year');
  if (found.groups['year']?.length === 2) year += year >= FIRST_OLD_YEAR ? 1900 : 2000;
  // Not Date.UTC, which takes years below 100 for those of the last century.
  const date = new Date(0);
  date.setUTCFullYear(year, MONTHS.indexOf(month.toLowerCase()), day);
  date.setUTCHours(hour, minute, second);
  return date.getUTCDate() === day ? date : undefined;
}
