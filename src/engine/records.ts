/** All that takes room in a store, for `du`, `prune` and collection. */
import type { Collectable } from '../cache/collect.ts';
import { cacheMountUsage, deleteCacheMount, repairCacheMounts } from '../ops/exec/cache_mount_usage.ts';
import { deleteGitRepository, gitRepositoryUsage } from '../sources/git_usage.ts';
import type { Store } from '../store/contract.ts';

/** Snapshots, and among their usage cache mounts and the repositories of git sources; delete takes the id of any. */
export function everyRecord(store: Store, snapshots: Collectable): Collectable {
  const mounts = new Set<string>();
  const repositories = new Set<string>();
  return {
    get: (id) => snapshots.get(id),
    usage() {
      repairCacheMounts(store);
      const mountUsages = cacheMountUsage(store);
      const gitUsages = gitRepositoryUsage(store);
      for (const { id } of mountUsages) mounts.add(id);
      for (const { id } of gitUsages) repositories.add(id);
      return [...snapshots.usage(), ...mountUsages, ...gitUsages];
    },
    sweep: (options) => snapshots.sweep(options),
    async delete(id) {
      if (mounts.has(id)) return deleteCacheMount(store, id) ?? 0;
      if (repositories.has(id)) return deleteGitRepository(store, id) ?? 0;
      return snapshots.delete(id);
    },
  };
}
