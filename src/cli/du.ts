/** `cairn du`. */
import { diskUsage } from '../cache/collect.ts';
import { everyRecord } from '../engine/records.ts';
import { openStoreParts } from '../engine/services.ts';
import { CairnError } from '../errors/error.ts';
import type { GlobalFlags } from './main.ts';
import { usageFilters } from './usage_filters.ts';
import { alignRows, jsonForm, longForm, summary, TABLE_HEADER, tableRow } from './usage_table.ts';

export interface DuFlags {
  filter?: string[];
  format?: string;
  verbose?: true;
}

/** @throws CairnError USAGE, STORE */
export async function runDu(flags: DuFlags, globals: GlobalFlags): Promise<void> {
  const format = flags.format ?? (flags.verbose === true ? 'pretty' : 'table');
  if (flags.format !== undefined && flags.verbose === true) {
    throw new CairnError('--format and --verbose cannot be used together', { code: 'USAGE' });
  }
  if (!['table', 'pretty', 'json'].includes(format)) {
    throw new CairnError(`unsupported format ${JSON.stringify(format)}: must be table, pretty or json`, {
      code: 'USAGE',
    });
  }
  const { filters, unusedForMs } = usageFilters(flags.filter ?? []);
  const { store, snapshots, pool } = openStoreParts({
    ...(globals.root === undefined ? {} : { root: globals.root }),
    env: process.env,
    warn: (message) => process.stderr.write(`WARNING: ${message}\n`),
  });
  try {
    const usages = diskUsage(everyRecord(store, snapshots), filters, unusedForMs);
    if (format === 'json') {
      process.stdout.write(usages.map((usage) => `${jsonForm(usage)}\n`).join(''));
      return;
    }
    process.stdout.write(
      format === 'pretty'
        ? usages.map(longForm).join('')
        : alignRows([TABLE_HEADER, ...usages.map(tableRow)]),
    );
    if ((flags.filter ?? []).length === 0) process.stdout.write(summary(usages));
  } finally {
    await pool.close();
    store.close();
  }
}
