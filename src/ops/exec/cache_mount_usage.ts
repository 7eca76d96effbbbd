/** What cache mounts take on disk, for `du`, `prune` and the collector. */
import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { SnapshotUsage } from '../../snapshots/contract.ts';
import type { Store } from '../../store/contract.ts';
import { CACHE_MOUNT_FOLDER, lockCacheMount } from './cache_mounts.ts';

/** Of st_blocks (stat(2)). */
const BLOCK_BYTES = 512;

/** All cache mounts; sizes that changed are measured now, by a walk. */
export function cacheMountUsage(store: Store): SnapshotUsage[] {
  return store.db
    .prepare('SELECT * FROM cache_mount ORDER BY created_at, id')
    .all()
    .map((row) => {
      const id = String(row['id']);
      const lock = lockCacheMount(store, id, 'exclusive');
      try {
        return {
          id,
          parents: [],
          description: String(row['description']),
          type: 'exec.cachemount',
          size: row['size'] === null ? measure(store, id, lock !== undefined) : Number(row['size']),
          createdAt: new Date(Number(row['created_at'])),
          lastUsedAt: new Date(Number(row['last_used_at'])),
          usageCount: Number(row['usage_count']),
          inUse: lock === undefined,
          shared: false,
          mutable: true,
        };
      } finally {
        lock?.release();
      }
    });
}

/**
 * Deletes one that no step uses.
 * @returns bytes freed; undefined: it is in use, or not there
 */
export function deleteCacheMount(store: Store, id: string): number | undefined {
  const lock = lockCacheMount(store, id, 'exclusive');
  if (lock === undefined) return undefined;
  try {
    const freed = bytesIn(lock.path);
    // First the row: a directory without one is garbage, a row without a directory would be used.
    store.transaction(() => store.db.prepare('DELETE FROM cache_mount WHERE id = ?').run(id));
    rmSync(lock.path, { recursive: true, force: true });
    return freed;
  } finally {
    lock.release();
  }
}

/** Removes directories that a killed process left without a row, and forgets rows without a directory. */
export function repairCacheMounts(store: Store): void {
  const known = new Set(
    store.db
      .prepare('SELECT id FROM cache_mount')
      .all()
      .map((row) => String(row['id'])),
  );
  const there = new Set(namesIn(store.path(CACHE_MOUNT_FOLDER)));
  for (const id of there) {
    if (known.has(id)) continue;
    const lock = lockCacheMount(store, id, 'exclusive');
    // A lock that is held: another process is about to write the row.
    if (lock !== undefined) rmSync(lock.path, { recursive: true, force: true });
    lock?.release();
  }
  for (const id of known) {
    if (there.has(id)) continue;
    store.transaction(() => store.db.prepare('DELETE FROM cache_mount WHERE id = ?').run(id));
  }
}

function measure(store: Store, id: string, settled: boolean): number {
  const size = bytesIn(store.path(CACHE_MOUNT_FOLDER, id));
  if (settled) {
    store.transaction(() => store.db.prepare('UPDATE cache_mount SET size = ? WHERE id = ?').run(size, id));
  }
  return size;
}

/** Bytes on disk of a tree; files with several names in it count once. */
function bytesIn(root: string): number {
  const seen = new Set<string>();
  const pending = [root];
  let bytes = 0;
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat === undefined) continue;
    if (stat.nlink > 1 && !stat.isDirectory()) {
      const inode = `${stat.dev}:${stat.ino}`;
      if (seen.has(inode)) continue;
      seen.add(inode);
    }
    bytes += stat.blocks * BLOCK_BYTES;
    if (stat.isDirectory()) for (const name of namesIn(path)) pending.push(join(path, name));
  }
  return bytes;
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}
