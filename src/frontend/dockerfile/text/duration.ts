/** Durations as Go's time.Duration prints them. */

const UNITS = { hour: 3_600_000_000_000n, minute: 60_000_000_000n, second: 1_000_000_000n };
const SMALL: readonly [unit: string, nanoseconds: bigint][] = [
  ['ms', 1_000_000n],
  ['µs', 1_000n],
  ['ns', 1n],
];

/** `1h30m0s`, `1.5s`, `100ms`, `0s`. */
export function formatDuration(nanoseconds: bigint): string {
  if (nanoseconds === 0n) return '0s';
  if (nanoseconds < 0n) return `-${formatDuration(-nanoseconds)}`;
  if (nanoseconds < UNITS.second) {
    const [unit, scale] = SMALL.find(([, size]) => nanoseconds >= size) ?? ['ns', 1n];
    return decimal(nanoseconds, scale) + unit;
  }
  const hours = nanoseconds / UNITS.hour;
  const minutes = (nanoseconds % UNITS.hour) / UNITS.minute;
  const seconds = `${decimal(nanoseconds % UNITS.minute, UNITS.second)}s`;
  if (hours > 0n) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0n ? `${minutes}m${seconds}` : seconds;
}

function decimal(value: bigint, scale: bigint): string {
  const digits = scale.toString().length - 1;
  const fraction = (value % scale).toString().padStart(digits, '0').replace(/0+$/, '');
  const whole = (value / scale).toString();
  return digits === 0 || fraction === '' ? whole : `${whole}.${fraction}`;
}
