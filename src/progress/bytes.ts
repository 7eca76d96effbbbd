/** Byte counts as BuildKit's progress prints them: decimal units, two decimals, whole bytes below 1000. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'];

/** `581B`, `1.23kB`, `3.42MB`; `bytes` counts bytes. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return unit === 0 ? `${bytes}B` : `${value.toFixed(2)}${UNITS[unit] ?? ''}`;
}
