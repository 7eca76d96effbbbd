/** `cairn prune`. */
import { createInterface } from 'node:readline';
import { prune } from '../cache/collect.ts';
import type { PruneRule } from '../cache/policy.ts';
import { everyRecord } from '../engine/records.ts';
import { openStoreParts } from '../engine/services.ts';
import { parseMemory } from './go_values.ts';
import type { GlobalFlags } from './main.ts';
import { usageFilters } from './usage_filters.ts';
import { alignRows, humanSize, longForm, TABLE_HEADER, tableRow } from './usage_table.ts';

export interface PruneFlags {
  all?: true;
  filter?: string[];
  force?: true;
  keepStorage?: string;
  reservedSpace?: string;
  maxUsedSpace?: string;
  minFreeSpace?: string;
  verbose?: true;
}

/** @throws CairnError USAGE, STORE */
export async function runPrune(flags: PruneFlags, globals: GlobalFlags): Promise<void> {
  const rule = pruneRule(flags);
  if (flags.force !== true && !(await confirmed(flags.all === true))) return;
  const { store, snapshots, pool } = openStoreParts({
    ...(globals.root === undefined ? {} : { root: globals.root }),
    env: process.env,
    warn: (message) => process.stderr.write(`WARNING: ${message}\n`),
  });
  try {
    const rows: string[][] = [];
    const freed = await prune(store, everyRecord(store, snapshots), [rule], {
      onDeleted(usage) {
        if (flags.verbose === true) process.stdout.write(longForm(usage));
        else rows.push(tableRow(usage));
      },
    });
    if (rows.length > 0) process.stdout.write(alignRows([TABLE_HEADER, ...rows]));
    process.stdout.write(`Total:\t${humanSize(freed)}\n`);
  } finally {
    await pool.close();
    store.close();
  }
}

function pruneRule(flags: PruneFlags): PruneRule {
  const { filters, unusedForMs } = usageFilters(flags.filter ?? []);
  const reserved = flags.reservedSpace ?? flags.keepStorage;
  const bytes = (text: string | undefined, flag: string) =>
    text === undefined ? undefined : parseMemory(text, flag);
  const reservedSpace = bytes(
    reserved,
    flags.reservedSpace === undefined ? '--keep-storage' : '--reserved-space',
  );
  const maxUsedSpace = bytes(flags.maxUsedSpace, '--max-used-space');
  const minFreeSpace = bytes(flags.minFreeSpace, '--min-free-space');
  return {
    ...(flags.all === true ? { all: true } : {}),
    filters,
    keepDuration: unusedForMs,
    ...(reservedSpace === undefined ? {} : { reservedSpace }),
    ...(maxUsedSpace === undefined ? {} : { maxUsedSpace }),
    ...(minFreeSpace === undefined ? {} : { minFreeSpace }),
  };
}

async function confirmed(all: boolean): Promise<boolean> {
  const what = all ? 'all build cache' : 'all dangling build cache';
  process.stdout.write(`WARNING! This will remove ${what}. Are you sure you want to continue? [y/N] `);
  const lines = createInterface({ input: process.stdin });
  for await (const line of lines) {
    lines.close();
    return line.trim().toLowerCase() === 'y' || line.trim().toLowerCase() === 'yes';
  }
  process.stdout.write('\nnothing was removed: there is no terminal to answer on, add --force\n');
  return false;
}
