import type { Snapshot, SnapshotStore } from '../snapshots/contract.ts';

/**
 * What made each layer of a snapshot, lowest first, as `du` shows it. Reads the whole list of snapshots: only
 * for images whose history lacks entries.
 */
export function layerDescriptions(snapshots: SnapshotStore, snapshot: Snapshot): (string | undefined)[] {
  const usage = new Map(snapshots.usage().map((row) => [row.id, row]));
  const descriptions: (string | undefined)[] = snapshot.layers.map(() => undefined);
  let current: Snapshot | undefined = snapshot;
  while (current !== undefined) {
    const row = usage.get(current.id);
    const [parentId] = row?.parents.length === 1 ? row.parents : [];
    const parent: Snapshot | undefined = parentId === undefined ? undefined : snapshots.get(parentId);
    const below = parent?.layers.length ?? 0;
    descriptions.fill(row?.description, below, current.layers.length);
    // A parent is lower: this ends.
    current = parent !== undefined && below < current.layers.length ? parent : undefined;
  }
  return descriptions;
}
