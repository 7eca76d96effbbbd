/** The parts that builds of one process share: the store and what lives in it, worker threads, the solver. */
import { createLocalKeyStore } from '../cache/local.ts';
import type { GcSettings } from '../cache/policy.ts';
import { CACHE_TABLES } from '../cache/tables.ts';
import type { KeyStore } from '../cache/contract.ts';
import { createContentStore, type LeasingContentStore } from '../content/store.ts';
import type { Executor } from '../executor/contract.ts';
import { CACHE_MOUNT_TABLES } from '../ops/exec/cache_mount_tables.ts';
import { loadConfigFile } from '../platform/config_file.ts';
import type { JobPool } from '../platform/contract.ts';
import { createJobPool } from '../platform/job_pool.ts';
import { callingUser } from '../platform/rootless.ts';
import type { RegistryHosts } from '../registry/endpoints.ts';
import { registryHosts } from '../registry/hosts_config.ts';
import { createContentHasher } from '../snapshots/contenthash/store_hasher.ts';
import { CONTENT_HASH_TABLES } from '../snapshots/contenthash/tables.ts';
import type { ContentHasher } from '../snapshots/contenthash/hasher.ts';
import type { SnapshotStore } from '../snapshots/contract.ts';
import { createSnapshotStore } from '../snapshots/store.ts';
import { snapshotTables } from '../snapshots/tables.ts';
import type { Solver } from '../solver/contract.ts';
import { createSolver } from '../solver/session.ts';
import { SOURCE_TABLES } from '../sources/tables.ts';
import { openStore } from '../store/open.ts';
import { storeRoot } from '../store/root.ts';
import type { Store } from '../store/contract.ts';
import { collectionSettings } from './collection_settings.ts';
import { createSlots } from './slots.ts';
import { workerEntryUrl } from './worker_entry.ts';

export interface EngineOptions {
  /** Value of `--root`. */
  root?: string;
  /** Value of `--config`. */
  config?: string;
  env: NodeJS.ProcessEnv;
  /** Hears of what is odd but harmless; one line each. */
  warn: (message: string) => void;
}

export interface EngineServices {
  env: NodeJS.ProcessEnv;
  store: Store;
  content: LeasingContentStore;
  pool: JobPool;
  snapshots: SnapshotStore;
  contentHasher: ContentHasher;
  keys: KeyStore;
  solver: Solver;
  hosts: RegistryHosts;
  /** What the automatic collection goes by. */
  collection: GcSettings;
  executor(): Promise<Executor>;
  /** Slots for steps that run at once. */
  execSlot(signal: AbortSignal): Promise<() => void>;
  close(): Promise<void>;
}

/** Steps that run at once; BuildKit sets no limit, but a step is a process tree and a mount. */
const MAX_PARALLEL_STEPS = 64;

/** The store alone, for `du` and `prune`. */
export function openStoreParts({
  root,
  env,
  warn,
}: EngineOptions): Pick<EngineServices, 'store' | 'content' | 'pool' | 'snapshots'> {
  const path = storeRoot({ flag: root, env, uid: callingUser(env) });
  const store = openStore(
    path,
    [CACHE_TABLES, snapshotTables, CONTENT_HASH_TABLES, CACHE_MOUNT_TABLES, SOURCE_TABLES],
    {
      warn,
    },
  );
  const content = createContentStore(store);
  const pool = createJobPool(workerEntryUrl);
  const snapshots = createSnapshotStore({ store, content, jobs: pool });
  return { store, content, pool, snapshots };
}

/** @throws CairnError STORE, USAGE for a configuration file that cannot be used */
export async function openServices(options: EngineOptions): Promise<EngineServices> {
  const { config, env } = options;
  const file = await loadConfigFile(config === undefined ? env : { ...env, CAIRN_CONFIG: config });
  const hosts: RegistryHosts = file === undefined ? new Map() : registryHosts(file);
  const collection = file === undefined ? {} : collectionSettings(file);
  const parts = openStoreParts(options);
  const { store, pool, snapshots } = parts;
  let executor: Promise<Executor> | undefined;
  return {
    ...parts,
    env,
    contentHasher: createContentHasher({ store, snapshots, pool }),
    keys: createLocalKeyStore(store, snapshots),
    solver: createSolver(),
    hosts,
    collection,
    executor: () =>
      (executor ??= import('../executor/executor.ts').then(({ createExecutor }) =>
        createExecutor({ pool, store, env, warn: options.warn }),
      )),
    execSlot: createSlots(MAX_PARALLEL_STEPS),
    async close() {
      await pool.close();
      store.close();
    },
  };
}
