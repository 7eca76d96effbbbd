/** How `du` and `prune` show records: docker's table, its long form, and JSON lines. */
import type { SnapshotUsage } from '../snapshots/contract.ts';

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** go-units' HumanSize: four significant digits, powers of 1000: `1.234GB`. */
export function humanSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(4))}${UNITS[unit] ?? ''}`;
}

/** go-units' HumanDuration of a time that is past: `3 hours ago`. */
export function ago(date: Date, now = new Date()): string {
  const seconds = Math.floor((now.getTime() - date.getTime()) / 1000);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(seconds / 3600 + 0.5);
  if (seconds < 1) return 'Less than a second ago';
  if (seconds === 1) return '1 second ago';
  if (seconds < 60) return `${seconds} seconds ago`;
  if (minutes === 1) return 'About a minute ago';
  if (minutes < 60) return `${minutes} minutes ago`;
  if (hours === 1) return 'About an hour ago';
  if (hours < 48) return `${hours} hours ago`;
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days ago`;
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks ago`;
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months ago`;
  return `${Math.floor(hours / 24 / 365)} years ago`;
}

/** As Go's time.Time prints itself: `2026-11-30 01:17:23.307 +0000 UTC`. */
function goTime(date: Date): string {
  const text = date.toISOString().replace('T', ' ');
  return `${text.replace(/\.?0*Z$/, '')} +0000 UTC`;
}

export const TABLE_HEADER = ['ID', 'RECLAIMABLE', 'SIZE', 'LAST ACCESSED'];

/** One row of the table; `*` marks mutable records and sizes that are shared. */
export function tableRow(usage: SnapshotUsage): string[] {
  return [
    `${usage.id}${usage.mutable ? '*' : ''}`,
    String(!usage.inUse),
    `${humanSize(usage.size)}${usage.shared ? '*' : ''}`,
    usage.lastUsedAt === undefined ? '' : ago(usage.lastUsedAt),
  ];
}

/** Columns padded to their widest cell. */
export function alignRows(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join('   ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** All fields of one record, ended by an empty line. */
export function longForm(usage: SnapshotUsage): string {
  const lines: [string, string][] = [['ID', usage.id]];
  if (usage.parents.length > 0)
    lines.push(['Parents', usage.parents.map((parent) => `\n - ${parent}`).join('')]);
  lines.push(
    ['Created at', goTime(usage.createdAt)],
    ['Mutable', String(usage.mutable)],
    ['Reclaimable', String(!usage.inUse)],
    ['Shared', String(usage.shared)],
    ['Size', humanSize(usage.size)],
  );
  if (usage.description !== '') lines.push(['Description', usage.description]);
  lines.push(['Usage count', String(usage.usageCount)]);
  if (usage.lastUsedAt !== undefined) lines.push(['Last used', ago(usage.lastUsedAt)]);
  lines.push(['Type', usage.type]);
  return `${lines.map(([key, value]) => (value.startsWith('\n') ? `${key}:${value}` : `${`${key}:`.padEnd(14)}${value}`)).join('\n')}\n\n`;
}

/** One JSON object, with the keys of `docker buildx du --format json`. */
export function jsonForm(usage: SnapshotUsage): string {
  return JSON.stringify({
    CreatedAt: goTime(usage.createdAt),
    Description: usage.description,
    ID: usage.id,
    LastUsedAt: usage.lastUsedAt === undefined ? '' : ago(usage.lastUsedAt),
    Mutable: usage.mutable,
    Parents: usage.parents.length === 0 ? null : usage.parents,
    Reclaimable: !usage.inUse,
    Shared: usage.shared,
    Size: humanSize(usage.size),
    Type: usage.type,
    UsageCount: usage.usageCount,
  });
}

/** The totals under the table. */
export function summary(usages: SnapshotUsage[]): string {
  const sum = (of: SnapshotUsage[]) => of.reduce((total, { size }) => total + size, 0);
  const total = sum(usages);
  const shared = sum(usages.filter((usage) => usage.shared));
  const rows: string[][] = [];
  if (shared > 0) rows.push(['Shared:', humanSize(shared)], ['Private:', humanSize(total - shared)]);
  rows.push(
    ['Reclaimable:', humanSize(sum(usages.filter(({ inUse }) => !inUse)))],
    ['Total:', humanSize(total)],
  );
  return alignRows(rows);
}
