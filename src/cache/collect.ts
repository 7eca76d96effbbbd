/**
 * Collection of what the cache needs no more: `du`, `prune`, and what runs by itself after builds (BuildKit
 * cache/manager.go, v0.32.2).
 */
import type { SnapshotStore, SnapshotUsage } from '../snapshots/contract.ts';
import type { Store } from '../store/contract.ts';
import { collectionRules, diskOf, keepBytes, type GcSettings, type PruneRule } from './policy.ts';
import { releaseSnapshots, sweepKeys } from './release.ts';
import { parseUsageFilters } from './usage_filter.ts';

/** Builds that follow each other closely do not each look for garbage. */
const COLLECTION_INTERVAL_MS = 60_000;

/** What can be collected: snapshots, and what the engine adds to them. */
export type Collectable = Pick<SnapshotStore, 'get' | 'usage' | 'delete' | 'sweep'>;

export interface PruneOptions {
  signal?: AbortSignal;
  /** Told of each record that was deleted. */
  onDeleted?: (usage: SnapshotUsage) => void;
  now?: Date;
}

/** What `du` lists. @throws CairnError USAGE for a filter that cannot be read */
export function diskUsage(
  snapshots: Collectable,
  filters: readonly string[] = [],
  unusedFor = 0,
): SnapshotUsage[] {
  const matches = parseUsageFilters(filters);
  const cutOff = Date.now() - unusedFor;
  return snapshots
    .usage()
    .filter((usage) => matches(usage))
    .filter(
      ({ lastUsedAt }) => unusedFor === 0 || lastUsedAt === undefined || lastUsedAt.getTime() <= cutOff,
    );
}

/**
 * Deletes what the rules allow, one rule after the other, and the keys that led there.
 * @returns bytes freed
 */
export async function prune(
  store: Store,
  snapshots: Collectable,
  rules: readonly PruneRule[],
  options: PruneOptions = {},
): Promise<number> {
  let freed = 0;
  try {
    for (const rule of rules) freed += await new Pass(store, snapshots, rule, options).run();
  } finally {
    sweepKeys(store, snapshots);
  }
  const all = rules.some((rule) => rule.all === true && (rule.keepDuration ?? 0) === 0);
  return freed + (await snapshots.sweep({ all }));
}

/** To be called when a build is done; does nothing when another collection began within a minute. */
export async function collectAfterBuild(
  store: Store,
  snapshots: Collectable,
  settings: GcSettings,
  signal?: AbortSignal,
): Promise<number> {
  if (settings.enabled === false || !claim(store)) return 0;
  const rules = collectionRules(settings, diskOf(store.root));
  return prune(store, snapshots, rules, signal === undefined ? {} : { signal });
}

/** True for one process at a time. */
function claim(store: Store): boolean {
  const now = Date.now();
  return store.transaction(() => {
    const last = store.db.prepare(`SELECT at FROM cache_collection WHERE id = 1`).get();
    const at = Number(last?.['at'] ?? 0);
    // A clock that was set back must not stop collection.
    if (at <= now && at > now - COLLECTION_INTERVAL_MS) return false;
    store.db.prepare('INSERT OR REPLACE INTO cache_collection (id, at) VALUES (1, ?)').run(now);
    return true;
  });
}

class Pass {
  readonly #store: Store;
  readonly #snapshots: Collectable;
  readonly #rule: PruneRule;
  readonly #options: PruneOptions;
  readonly #records = new Map<string, SnapshotUsage>();
  /** How many others need a record. */
  readonly #children = new Map<string, number>();

  constructor(store: Store, snapshots: Collectable, rule: PruneRule, options: PruneOptions) {
    this.#store = store;
    this.#snapshots = snapshots;
    this.#rule = rule;
    this.#options = options;
    for (const usage of snapshots.usage()) {
      this.#records.set(usage.id, usage);
      for (const parent of usage.parents) this.#children.set(parent, (this.#children.get(parent) ?? 0) + 1);
    }
  }

  async run(): Promise<number> {
    let used = 0;
    for (const { size, shared } of this.#records.values()) if (!shared) used += size;
    const keep = keepBytes(this.#rule, used, diskOf(this.#store.root));
    const matches = parseUsageFilters(this.#rule.filters ?? []);
    let freed = 0;
    const released: string[] = [];
    try {
      for (;;) {
        this.#options.signal?.throwIfAborted();
        if (keep !== 0 && used < keep) break;
        const candidates = [...this.#records.values()].filter(
          (usage) => this.#mayGo(usage) && matches(usage),
        );
        // Under a limit one at a time goes, since each changes what is oldest.
        const chosen = keep === 0 ? candidates : byUselessness(candidates).slice(0, 1);
        if (chosen.length === 0) break;
        for (const usage of chosen) {
          this.#remove(usage);
          const bytes = await this.#snapshots.delete(usage.id);
          if (!usage.shared) used -= usage.size;
          freed += bytes;
          if (this.#snapshots.get(usage.id) !== undefined) continue;
          released.push(usage.id);
          this.#options.onDeleted?.(usage);
        }
      }
    } finally {
      releaseSnapshots(this.#store, released);
    }
    return freed;
  }

  #mayGo(usage: SnapshotUsage): boolean {
    if (usage.inUse || (this.#children.get(usage.id) ?? 0) > 0) return false;
    if (this.#rule.all !== true && (usage.type === 'internal' || usage.type === 'frontend' || usage.shared)) {
      return false;
    }
    const { keepDuration = 0 } = this.#rule;
    const cutOff = (this.#options.now ?? new Date()).getTime() - keepDuration;
    return keepDuration === 0 || usage.lastUsedAt === undefined || usage.lastUsedAt.getTime() <= cutOff;
  }

  #remove({ id, parents }: SnapshotUsage): void {
    this.#records.delete(id);
    for (const parent of parents) this.#children.set(parent, (this.#children.get(parent) ?? 1) - 1);
  }
}

/** Least useful first: the rank by last use and the rank by number of uses count the same. */
function byUselessness(usages: readonly SnapshotUsage[]): SnapshotUsage[] {
  const age = ranks(usages, ({ lastUsedAt }) => lastUsedAt?.getTime() ?? -Infinity);
  const uses = ranks(usages, ({ usageCount }) => usageCount);
  const score = (usage: SnapshotUsage): number => (age.get(usage) ?? 0) + (uses.get(usage) ?? 0);
  return usages.toSorted((a, b) => score(a) - score(b) || (a.id < b.id ? -1 : 1));
}

/** Equal values have equal ranks; the highest is 1. */
function ranks(
  usages: readonly SnapshotUsage[],
  value: (usage: SnapshotUsage) => number,
): Map<SnapshotUsage, number> {
  const values = [...new Set(usages.map(value))].toSorted((a, b) => a - b);
  const positions = new Map(values.map((each, index) => [each, (index + 1) / values.length]));
  return new Map(usages.map((usage) => [usage, positions.get(value(usage)) ?? 1]));
}
