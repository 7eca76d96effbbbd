/** The content hasher over the store: answers are remembered, what is new is computed in jobs. */
import type { Digest } from '../../content/contract.ts';
import { CairnError } from '../../errors/error.ts';
import { digestOf } from '../../llb/digest.ts';
import type { JobPool } from '../../platform/contract.ts';
import type { VertexProgress } from '../../progress/events.ts';
import type { Store } from '../../store/contract.ts';
import type { HostTree, Snapshot, SnapshotStore } from '../contract.ts';
import { mountParentOf } from '../mount_parent.ts';
import { checksum, type ChecksumQuery } from './checksum.ts';
import type { ContentHasher } from './hasher.ts';
import { HostMemory } from './host_memory.ts';
import type { HashedFile } from './host_hash.ts';
import { HostReader, type UnknownFile } from './host_reader.ts';
import type { ChecksumArgs, ChecksumResult } from './jobs.ts';

/** Up to this much is hashed here and now: starting a thread takes longer, a seventh of a second of CPU time. */
const INLINE_FILES = 64;
const INLINE_BYTES = 32 * 1024 * 1024;

/** Limits of one job, so that both cores get work and cancellation is quick. */
const BATCH_FILES = 1000;
const BATCH_BYTES = 64 * 1024 * 1024;

interface Services {
  store: Store;
  snapshots: Pick<SnapshotStore, 'view'>;
  pool: JobPool;
}

interface Context {
  signal: AbortSignal;
  progress?: VertexProgress;
}

export function createContentHasher(services: Services): ContentHasher {
  const host = new HostHasher(services);
  const snapshots = new SnapshotHasher(services);
  return {
    async checksums(tree, queries, context) {
      if (tree === undefined) return queries.map(scratchChecksum);
      if (tree.kind === 'host') return host.checksums(tree, queries, context);
      return snapshots.checksums(tree, queries, context);
    },
  };
}

function scratchChecksum(query: ChecksumQuery): Digest {
  if (query.path === '/') return digestOf('');
  throw new CairnError(`${query.path}: no such file or directory`, { code: 'NOT_FOUND' });
}

class HostHasher {
  readonly #services: Services;
  readonly #memory: HostMemory;
  /** One walk per source and build: later steps see the files that earlier ones saw. */
  readonly #readers = new WeakMap<HostTree, HostReader>();

  constructor(services: Services) {
    this.#services = services;
    this.#memory = new HostMemory(services.store);
  }

  async checksums(tree: HostTree, queries: readonly ChecksumQuery[], context: Context): Promise<Digest[]> {
    let reader = this.#readers.get(tree);
    if (reader === undefined) {
      reader = new HostReader(tree, this.#memory);
      this.#readers.set(tree, reader);
    }
    for (;;) {
      reader.index.incomplete = false;
      reader.unknown = [];
      const digests = queries.map((query) => checksum(reader.index, query));
      if (!reader.index.incomplete) return digests;
      await this.#learn(tree, reader, reader.unknown, context);
    }
  }

  async #learn(
    tree: HostTree,
    reader: HostReader,
    unknown: readonly UnknownFile[],
    context: Context,
  ): Promise<void> {
    const files = [...new Map(unknown.map((file) => [file.path, file])).values()];
    const results = await Promise.all(
      batches(files).map((paths) => this.#hash(tree.root, paths, files, context.signal)),
    );
    for (const { path, digest, stamp } of results.flat()) {
      reader.learn(path, digest);
      if (stamp !== undefined) this.#memory.add(...reader.placeOf(path), stamp, digest);
    }
    this.#memory.save();
  }

  async #hash(
    root: string,
    paths: string[],
    files: readonly UnknownFile[],
    signal: AbortSignal,
  ): Promise<HashedFile[]> {
    const bytes = files.reduce((sum, file) => sum + file.size, 0);
    if (files.length <= INLINE_FILES && bytes <= INLINE_BYTES) {
      const { hashHostFiles } = await import('./host_hash.ts');
      return hashHostFiles(root, paths, signal);
    }
    return this.#services.pool.run('contenthash.hostFiles', { root, paths }, { signal });
  }
}

function batches(files: readonly UnknownFile[]): string[][] {
  const out: string[][] = [];
  let bytes = 0;
  for (const file of files) {
    const last = out.at(-1);
    if (last === undefined || last.length >= BATCH_FILES || bytes + file.size > BATCH_BYTES) {
      out.push([file.path]);
      bytes = file.size;
    } else {
      last.push(file.path);
      bytes += file.size;
    }
  }
  return out;
}

class SnapshotHasher {
  readonly #services: Services;

  constructor(services: Services) {
    this.#services = services;
  }

  async checksums(
    snapshot: Snapshot,
    queries: readonly ChecksumQuery[],
    { signal, progress }: Context,
  ): Promise<Digest[]> {
    const keys = queries.map((query) => JSON.stringify(canonical(query)));
    const known = keys.map((key) => this.#known(snapshot.id, key));
    const missing = queries.filter((_, i) => known[i] === undefined);
    if (missing.length === 0) return known.filter((digest) => digest !== undefined);
    const mount = await this.#services.snapshots.view(snapshot, progress);
    const { digests, index } = await this.#services.pool.run<ChecksumArgs, ChecksumResult>(
      'contenthash.checksums',
      {
        mount,
        queries: missing,
        mountParent: mountParentOf(this.#services.store),
        index: this.#index(snapshot.id),
      },
      { signal },
    );
    const computed = new Map(missing.map((query, i) => [query, digests[i]]));
    const all = queries.map((query, i) => known[i] ?? computed.get(query));
    this.#remember(snapshot.id, keys, all, index);
    return all.filter((digest) => digest !== undefined);
  }

  #known(snapshot: string, key: string): Digest | undefined {
    const row = this.#services.store.db
      .prepare('SELECT digest FROM contenthash_query WHERE snapshot = ? AND query = ?')
      .get(snapshot, key);
    const digest = row?.['digest'];
    return typeof digest === 'string' ? (digest as Digest) : undefined;
  }

  #index(snapshot: string): string | undefined {
    const row = this.#services.store.db
      .prepare('SELECT tree FROM contenthash_index WHERE snapshot = ?')
      .get(snapshot);
    return typeof row?.['tree'] === 'string' ? row['tree'] : undefined;
  }

  #remember(
    snapshot: string,
    keys: readonly string[],
    digests: readonly (Digest | undefined)[],
    index: string | undefined,
  ): void {
    const { store } = this.#services;
    const insert = store.db.prepare('INSERT OR REPLACE INTO contenthash_query VALUES (?, ?, ?)');
    store.transaction(() => {
      for (const [i, key] of keys.entries()) insert.run(snapshot, key, digests[i] ?? null);
      if (index === undefined) return;
      store.db.prepare('INSERT OR REPLACE INTO contenthash_index VALUES (?, ?)').run(snapshot, index);
    });
  }
}

/** Equal queries have equal text. */
function canonical(query: ChecksumQuery): unknown[] {
  return [
    query.path,
    query.followLinks ?? false,
    query.wildcard ?? false,
    query.includePatterns ?? [],
    query.excludePatterns ?? [],
    query.requiredPaths ?? [],
  ];
}
