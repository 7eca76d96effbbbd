/** The local key store: the cache model on the store's database. */
import { randomBytes } from 'node:crypto';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Digest } from '../content/contract.ts';
import type { Snapshot, SnapshotStore } from '../snapshots/contract.ts';
import type { Store } from '../store/contract.ts';
import type { Backlink, InputPath, KeyId, KeyLink, KeyResult, KeyStore, LoadedResult } from './contract.ts';

/** Snapshot id that stands for scratch. */
const SCRATCH = '';
/** A key without inputs has its record digest as id, every other key an id of this prefix. */
const KEY_PREFIX = 'k-';
const KEY_BYTES = 12;

/** The keys and results that this machine's builds left in the store. */
export function createLocalKeyStore(store: Store, snapshots: SnapshotStore): KeyStore {
  return new LocalKeyStore(store, snapshots);
}

class LocalKeyStore implements KeyStore {
  readonly name = 'local';
  readonly #store: Store;
  readonly #snapshots: SnapshotStore;
  /** How often this process holds a key. */
  readonly #held = new Map<KeyId, number>();
  readonly #has: StatementSync;
  readonly #links: StatementSync;
  readonly #results: StatementSync;
  readonly #backlinks: StatementSync;
  readonly #mentions: StatementSync;
  readonly #addLink: StatementSync;
  readonly #addResult: StatementSync;

  constructor(store: Store, snapshots: SnapshotStore) {
    this.#store = store;
    this.#snapshots = snapshots;
    const db: DatabaseSync = store.db;
    this.#has = db.prepare('SELECT 1 FROM cache_link WHERE record = ? LIMIT 1');
    this.#links = db.prepare(
      'SELECT target FROM cache_link WHERE record = ? AND input = ? AND selector = ? AND source = ?',
    );
    this.#results = db.prepare(
      'SELECT snapshot, created_at FROM cache_result WHERE key = ? ORDER BY created_at DESC, snapshot',
    );
    this.#backlinks = db.prepare(
      `SELECT source, record, input, selector FROM cache_link WHERE target = ?
       ORDER BY record, input, source, selector`,
    );
    this.#mentions = db.prepare(
      `SELECT 1 FROM cache_link WHERE source = ?1 UNION ALL SELECT 1 FROM cache_link WHERE target = ?1
       UNION ALL SELECT 1 FROM cache_result WHERE key = ?1 LIMIT 1`,
    );
    this.#addLink = db.prepare(
      'INSERT OR IGNORE INTO cache_link (source, record, input, selector, target) VALUES (?, ?, ?, ?, ?)',
    );
    this.#addResult = db.prepare(
      `INSERT INTO cache_result (key, snapshot, created_at) VALUES (?, ?, ?)
       ON CONFLICT (key, snapshot) DO UPDATE SET created_at = max(created_at, excluded.created_at)`,
    );
  }

  root(record: Digest): KeyId {
    return record;
  }

  rootRecord(key: KeyId): Digest | undefined {
    return key.startsWith(KEY_PREFIX) ? undefined : (key as Digest);
  }

  has(record: Digest): boolean {
    return this.#has.get(record) !== undefined;
  }

  links(from: KeyId, link: KeyLink): readonly KeyId[] {
    return this.#links.all(link.record, link.input, link.selector, from).map((row) => String(row['target']));
  }

  results(key: KeyId): readonly KeyResult[] {
    return this.#results
      .all(key)
      .map((row) => ({ id: String(row['snapshot']), createdAt: new Date(Number(row['created_at'])) }))
      .filter((result) => this.#find(result.id) !== undefined);
  }

  backlinks(key: KeyId): readonly Backlink[] {
    return this.#backlinks.all(key).map((row) => ({
      from: String(row['source']),
      link: {
        record: String(row['record']) as Digest,
        input: Number(row['input']),
        selector: String(row['selector']) as Digest | '',
      },
    }));
  }

  load(result: KeyResult): Promise<LoadedResult | undefined> {
    return Promise.resolve(this.#find(result.id));
  }

  ensure(record: Digest, inputs: readonly (readonly InputPath[])[]): KeyId {
    if (inputs.length === 0) return record;
    const found = inputs.map((paths, input) =>
      paths.map(({ key, selector }) => this.links(key, { input, record, selector })),
    );
    const target = this.#best(intersection(found.map((paths) => new Set(paths.flat())))) ?? newKey();
    inputs.forEach((paths, input) => {
      paths.forEach(({ key, selector }, path) => {
        if (!found[input]?.[path]?.includes(target)) {
          this.#addLink.run(key, record, input, selector, target);
        }
      });
    });
    return target;
  }

  mentions(key: KeyId): boolean {
    return this.#mentions.get(key) !== undefined;
  }

  addResult(key: KeyId, { snapshot }: LoadedResult, createdAt: Date): KeyResult {
    const id = snapshot?.id ?? SCRATCH;
    this.#addResult.run(key, id, createdAt.getTime());
    return { id, createdAt };
  }

  batch<T>(fn: () => T): T {
    return this.#store.transaction(fn);
  }

  hold(snapshot: Snapshot): { release(): void } {
    const lease = this.#store.lease('snapshot', snapshot.id);
    this.#snapshots.touch(snapshot.id);
    return lease;
  }

  holdKey(key: KeyId): { release(): void } {
    const lease = this.#store.lease('record', key);
    this.#held.set(key, (this.#held.get(key) ?? 0) + 1);
    return {
      release: () => {
        const left = (this.#held.get(key) ?? 1) - 1;
        if (left > 0) this.#held.set(key, left);
        else this.#held.delete(key);
        lease.release();
      },
    };
  }

  isHeldElsewhere(key: KeyId): boolean {
    return !this.#held.has(key) && this.#store.leased('record').has(key);
  }

  /** Of several keys that mean the same, the one with the newest result, so that writers agree. */
  #best(keys: Set<KeyId>): KeyId | undefined {
    if (keys.size < 2) return keys.values().next().value;
    const age = (key: KeyId): number => this.results(key)[0]?.createdAt.getTime() ?? -Infinity;
    return [...keys].toSorted().reduce((best, key) => (age(key) > age(best) ? key : best));
  }

  #find(id: string): LoadedResult | undefined {
    if (id === SCRATCH) return { snapshot: undefined };
    const snapshot = this.#snapshots.get(id);
    return snapshot !== undefined && this.#snapshots.usable(snapshot) ? { snapshot } : undefined;
  }
}

function newKey(): KeyId {
  return KEY_PREFIX + randomBytes(KEY_BYTES).toString('base64url');
}

function intersection(sets: Set<KeyId>[]): Set<KeyId> {
  const [first = new Set<KeyId>(), ...rest] = sets;
  return rest.reduce((left, right) => left.intersection(right), first);
}
