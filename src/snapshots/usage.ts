/** What snapshots take on disk, and taking them away. */
import type { ContentStore } from '../content/contract.ts';
import type { SnapshotUsage } from './contract.ts';
import type { SnapshotterParts } from './snapshotter.ts';
import { deleteUnrecorded, discardUnrecorded } from './unrecorded.ts';

/** Directories that were never measured are measured now. */
export function listUsage(
  { records, directories, store }: SnapshotterParts,
  content: ContentStore,
): SnapshotUsage[] {
  const inUse = store.leased('snapshot');
  return records.rows().map((row) => {
    // The layer that this snapshot was made for; views on others' layers have none and cost nothing.
    const top = records.snapshot(row.id)?.layers.at(-1)?.id;
    const own = top !== undefined && records.layer(top)?.origin === row.id ? [top, row.id] : [row.id];
    let size = 0;
    for (const id of own) {
      for (const directory of records.directories(id)) {
        const bytes = directory.size ?? directories.measure(directory.format, id);
        if (directory.size === undefined) records.setSize(directory.format, id, bytes);
        size += bytes;
      }
      for (const { descriptor } of records.blobs(id)) size += content.info(descriptor.digest)?.size ?? 0;
    }
    const usage: SnapshotUsage = {
      id: row.id,
      parents: row.parents,
      description: row.description,
      type: row.type,
      size,
      createdAt: row.createdAt,
      usageCount: row.usageCount,
      inUse: inUse.has(row.id),
      // With somebody outside of the store, as BuildKit in docker's daemon shares with its images.
      shared: false,
      mutable: false,
    };
    if (row.lastUsedAt !== undefined) usage.lastUsedAt = row.lastUsedAt;
    return usage;
  });
}

/**
 * Deletes a snapshot, and the layers, directories and blobs that nothing else refers to. One that others are
 * made from, or that a living process uses, stays.
 * @returns bytes freed
 */
export async function deleteSnapshot(
  { records, directories, store }: SnapshotterParts,
  content: ContentStore,
  id: string,
): Promise<number> {
  const removed = store.transaction(() => {
    if (records.snapshot(id) === undefined || records.hasChildren(id)) return undefined;
    if (store.leased('snapshot').has(id)) return undefined;
    const { layers, blobs } = records.removeSnapshot(id);
    const gone = [id, ...layers].flatMap((owner) =>
      records.directories(owner).map(({ format, size }) => ({ format, owner, size })),
    );
    for (const { format, owner } of gone) records.removeDirectory(format, owner);
    return { gone, blobs: blobs.map(({ digest }) => digest) };
  });
  if (removed === undefined) return 0;
  let freed = 0;
  for (const { format, owner, size } of removed.gone) {
    freed += size ?? directories.measure(format, owner);
    await discardUnrecorded({ records, directories, store }, format, owner);
  }
  return freed + deleteUnrecorded({ records, store }, content, removed.blobs);
}
