/** All that takes room in a store, for `du`, `prune` and collection: snapshots and the directories of cache mounts. */
import type { Collectable } from '../cache/collect.ts';
import { cacheMountUsage, deleteCacheMount, repairCacheMounts } from '../ops/exec/cache_mount_usage.ts';
import type { Store } from '../store/contract.ts';

/** Snapshots with the cache mounts among their usage; delete takes the id of either. */
export function withCacheMounts(store: Store, snapshots: Collectable): Collectable {
  const mounts = new Set<string>();
  return {
    get: (id) => snapshots.get(id),
    usage() {
      repairCacheMounts(store);
      const usages = cacheMountUsage(store);
      for (const { id } of usages) mounts.add(id);
      return [...snapshots.usage(), ...usages];
    },
    sweep: (options) => snapshots.sweep(options),
    async delete(id) {
      return mounts.has(id) ? (deleteCacheMount(store, id) ?? 0) : snapshots.delete(id);
    },
  };
}
