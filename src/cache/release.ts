/** Takes results out of the local key store when their snapshots are gone, and keys that then lead nowhere. */
import type { SnapshotStore } from '../snapshots/contract.ts';
import type { Store } from '../store/contract.ts';

/** Keys that one transaction looks at, so that builds of other processes need not wait. */
const BATCH = 200;

/** Removes the results that point at these snapshots. */
export function releaseSnapshots(store: Store, ids: readonly string[]): void {
  const { db } = store;
  const keysOf = db.prepare('SELECT key FROM cache_result WHERE snapshot = ?');
  const remove = db.prepare('DELETE FROM cache_result WHERE snapshot = ?');
  for (let start = 0; start < ids.length; start += BATCH) {
    const keys = store.transaction(() =>
      ids.slice(start, start + BATCH).flatMap((id) => {
        const found = keysOf.all(id).map((row) => String(row['key']));
        remove.run(id);
        return found;
      }),
    );
    removeDeadKeys(store, keys);
  }
}

/** What killed processes left behind: results without snapshot, keys without result that lead nowhere. */
export function sweepKeys(store: Store, snapshots: Pick<SnapshotStore, 'get'>): void {
  const { db } = store;
  const gone = db
    .prepare(`SELECT DISTINCT snapshot FROM cache_result WHERE snapshot != ''`)
    .all()
    .map((row) => String(row['snapshot']))
    .filter((id) => snapshots.get(id) === undefined);
  releaseSnapshots(store, gone);
  const dead = db
    .prepare(
      `SELECT DISTINCT target FROM cache_link AS link
       WHERE NOT EXISTS (SELECT 1 FROM cache_result WHERE key = link.target)
         AND NOT EXISTS (SELECT 1 FROM cache_link WHERE source = link.target)`,
    )
    .all()
    .map((row) => String(row['target']));
  removeDeadKeys(store, dead);
}

/** Removes those keys that have no result and lead nowhere, and then what led only to them. */
function removeDeadKeys(store: Store, keys: readonly string[]): void {
  const { db } = store;
  const alive = db.prepare(
    `SELECT 1 FROM cache_result WHERE key = :key UNION ALL SELECT 1 FROM cache_link WHERE source = :key LIMIT 1`,
  );
  const sources = db.prepare('SELECT DISTINCT source FROM cache_link WHERE target = ?');
  const remove = db.prepare('DELETE FROM cache_link WHERE source = ? AND target = ?');
  const open = [...keys];
  while (open.length > 0) {
    store.transaction(() => {
      const held = store.leased('record');
      for (const key of open.splice(-BATCH)) {
        if (held.has(key) || alive.get({ key }) !== undefined) continue;
        for (const row of sources.all(key)) {
          const source = String(row['source']);
          remove.run(source, key);
          open.push(source);
        }
      }
    });
  }
}
