/** What a store knows, to compare it before and after something that must not harm it. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const TABLES = [
  'layer',
  'layer_blob',
  'directory',
  'snapshot',
  'snapshot_layer',
  'cache_link',
  'cache_result',
];
/** Change when a record is used, measured or packed again. */
const CHANGING = new Set(['last_used_at', 'usage_count', 'size', 'diff_id', 'chain_id']);

/** Every row of the tables that hold results, as text; nothing for a store that is not there. */
export function recordsOf(store: string): Set<string> {
  const rows = new Set<string>();
  if (!existsSync(join(store, 'cairn.db'))) return rows;
  const db = new DatabaseSync(join(store, 'cairn.db'), { readOnly: true });
  for (const table of TABLES) {
    for (const row of db.prepare(`SELECT * FROM ${table}`).all()) {
      rows.add(`${table} ${JSON.stringify(Object.entries(row).filter(([name]) => !CHANGING.has(name)))}`);
    }
  }
  db.close();
  return rows;
}

/** What is wrong with a store that no process uses: records without files, temporary files, leases. */
export function faultsOf(store: string): string[] {
  const faults: string[] = [];
  const db = new DatabaseSync(join(store, 'cairn.db'), { readOnly: true });
  for (const row of db.prepare('SELECT format, id FROM directory').all()) {
    const path = join('snapshots', String(row['format']), String(row['id']), 'fs');
    if (!existsSync(join(store, path))) faults.push(`${path} is recorded and not there`);
  }
  for (const row of db.prepare('PRAGMA integrity_check').all()) {
    if (row['integrity_check'] !== 'ok') faults.push(`database: ${String(row['integrity_check'])}`);
  }
  const leases = Number(db.prepare('SELECT count(*) AS n FROM lease').get()?.['n']);
  if (leases > 0) faults.push(`${leases} leases are left`);
  db.close();
  for (const folder of ['tmp', 'owners']) {
    const names = existsSync(join(store, folder)) ? readdirSync(join(store, folder)) : [];
    if (names.length > 0) faults.push(`${folder}/ holds ${names.join(', ')}`);
  }
  return faults;
}
