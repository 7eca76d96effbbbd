/** An imported cache: a cache config as a KeySource (BuildKit cache/remotecache/v1 parse.go, cachestorage.go, v0.32.2). */
import { hintOf, messageOf } from '../errors/error.ts';
import type { Digest } from '../content/contract.ts';
import type { RemoteLayer, SnapshotStore } from '../snapshots/contract.ts';
import { linkName, type ChainRecord } from './chains.ts';
import type {
  Backlink,
  CacheManifest,
  KeyId,
  KeyLink,
  KeyResult,
  KeySource,
  LoadedResult,
} from './contract.ts';
import { ImportedLayers } from './layers.ts';
import { parseRecords, type ImportedResult } from './parse.ts';

/** Told of what is wrong with a cache: one sentence that names cache, object and cause. */
export type CacheWarning = (message: string, hint?: string) => void;

type Record = ChainRecord<ImportedResult>;

/** What is wrong beyond that is not told any more. */
const MAX_WARNINGS = 10;

/**
 * The records of a config as a cache that can be asked. Whatever is damaged is a miss of just what it touches,
 * with one warning for each kind of damage. No blob is read before its files are needed.
 */
export function importedKeySource(
  manifest: CacheManifest,
  name: string,
  snapshots: SnapshotStore,
  warn: CacheWarning,
): KeySource {
  return new ImportedKeySource(manifest, name, snapshots, warn);
}

class ImportedKeySource implements KeySource {
  readonly name: string;
  readonly #snapshots: SnapshotStore;
  readonly #warn: CacheWarning;
  readonly #provider: CacheManifest['provider'];
  readonly #layers: ImportedLayers;
  readonly #ids = new Map<Record, KeyId>();
  readonly #records = new Map<KeyId, Record>();
  readonly #roots = new Map<Digest, KeyId>();
  /** Of records with inputs. */
  readonly #digests = new Set<Digest>();
  readonly #results = new Map<KeyId, ImportedResult>();

  constructor(manifest: CacheManifest, name: string, snapshots: SnapshotStore, warn: CacheWarning) {
    this.name = name;
    this.#snapshots = snapshots;
    this.#provider = manifest.provider;
    const told = new Set<string>();
    this.#warn = (message) => {
      if (told.size < MAX_WARNINGS && !told.has(message)) warn(`cache ${name}: ${message}`);
      told.add(message);
    };
    this.#layers = new ImportedLayers(manifest, this.#warn);
    for (const record of parseRecords(manifest.config, this.#warn).records()) {
      const id = String(this.#ids.size);
      this.#ids.set(record, id);
      this.#records.set(id, record);
      if (record.inputs.length === 0) this.#roots.set(record.digest, id);
      else this.#digests.add(record.digest);
      for (const result of record.results) this.#results.set(result.id, result);
    }
  }

  root(record: Digest): KeyId | undefined {
    return this.#roots.get(record);
  }

  rootRecord(key: KeyId): Digest | undefined {
    const record = this.#records.get(key);
    return record?.inputs.length === 0 ? record.digest : undefined;
  }

  has(record: Digest): boolean {
    return this.#digests.has(record);
  }

  links(from: KeyId, { input, record, selector }: KeyLink): readonly KeyId[] {
    const targets = this.#records.get(from)?.children.get(linkName(input, record, selector)) ?? [];
    return [...targets].map((target) => this.#id(target));
  }

  results(key: KeyId): readonly KeyResult[] {
    const results = this.#records.get(key)?.results ?? [];
    return results
      .flatMap(({ id, createdAt, place }): KeyResult[] => {
        const layers = this.#layers.stack(place)?.map(({ descriptor }) => descriptor.digest);
        return layers === undefined ? [] : [{ id, createdAt, layers }];
      })
      .toSorted((a, b) => b.createdAt.getTime() - a.createdAt.getTime());
  }

  backlinks(key: KeyId): readonly Backlink[] {
    const record = this.#records.get(key);
    if (record === undefined) return [];
    return record.inputs.flatMap((sources, input) =>
      [...sources].flatMap(([from, selectors]) =>
        [...selectors].map((selector) => ({
          from: this.#id(from),
          link: { input, record: record.digest, selector: selector as Digest | '' },
        })),
      ),
    );
  }

  async load({ id }: KeyResult): Promise<LoadedResult | undefined> {
    const place = this.#results.get(id)?.place;
    const stack = place === undefined ? undefined : this.#layers.stack(place);
    if (stack === undefined) return undefined;
    const layers = stack.map((layer): RemoteLayer => ({
      ...layer,
      provider: this.#provider,
      hearsay: true,
    }));
    try {
      const description = `imported ${stack.at(-1)?.descriptor.digest ?? ''}`;
      return { snapshot: await this.#snapshots.fromLayers(layers, { description, type: 'regular' }) };
    } catch (error) {
      this.#warn(`a result cannot be used: ${messageOf(error)}`);
      return undefined;
    }
  }

  #id(record: Record): KeyId {
    return this.#ids.get(record) ?? '';
  }
}

/**
 * A cache that is still to be found: `open` runs once, when the solver first needs an answer or somebody awaits
 * `ready`. Undefined or a failure: an empty cache, with a warning for the failure.
 */
export function lazyKeySource(
  name: string,
  open: () => Promise<KeySource | undefined>,
  warn: CacheWarning,
): KeySource {
  let opened: KeySource | undefined;
  let opening: Promise<void> | undefined;
  const start = async (): Promise<void> => {
    try {
      opened = await open();
      await opened?.ready?.();
    } catch (error) {
      warn(`cache ${name} cannot be imported: ${messageOf(error)}`, hintOf(error));
    }
  };
  return {
    name,
    ready: () => (opening ??= start()),
    root: (record) => opened?.root(record),
    rootRecord: (key) => opened?.rootRecord(key),
    has: (record) => opened?.has(record) ?? false,
    links: (from, link) => opened?.links(from, link) ?? [],
    results: (key) => opened?.results(key) ?? [],
    backlinks: (key) => opened?.backlinks(key) ?? [],
    load: (result) => opened?.load(result) ?? Promise.resolve(undefined),
  };
}
