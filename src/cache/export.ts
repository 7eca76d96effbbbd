/** The export walk: from the edges of a solved build to a cache config (BuildKit solver/exporter.go, v0.32.2). */
import type { Digest, Remote } from '../content/contract.ts';
import { CairnError } from '../errors/error.ts';
import type { Snapshot, SnapshotStore } from '../snapshots/contract.ts';
import { Chains, type ChainLink, type ChainRecord } from './chains.ts';
import { remoteResult, toCacheConfig, type RemoteResult } from './config.ts';
import type { CacheExportOptions, ExportedCache, ExportNode, KeyId, KeySource } from './contract.ts';

type Record = ChainRecord<RemoteResult>;

/** `existing`: results whose layers are blobs already, as with the inputs of an exported result in mode min. */
type Depth = 'min' | 'max' | 'existing';

/**
 * Collects the records of solved edges, what leads to them and their results. Blobs are made where the mode
 * asks for them; nothing is uploaded.
 *
 * @param nodes of the edges that the build is about: one for each platform
 */
export async function exportCache(
  nodes: readonly ExportNode[],
  snapshots: SnapshotStore,
  options: CacheExportOptions,
): Promise<ExportedCache> {
  const walk = new ExportWalk(snapshots, options);
  for (const node of nodes) await walk.top(node);
  return toCacheConfig(walk.chains);
}

class ExportWalk {
  readonly chains = new Chains<RemoteResult>();
  readonly #snapshots: SnapshotStore;
  readonly #options: CacheExportOptions;
  readonly #nodes = new Map<ExportNode, Promise<Record[]>>();
  readonly #keys = new Map<KeySource, Map<KeyId, Record[]>>();

  constructor(snapshots: SnapshotStore, options: CacheExportOptions) {
    this.#snapshots = snapshots;
    this.#options = options;
  }

  async top(node: ExportNode): Promise<void> {
    if (node.inputs.length === 0) this.#roots(node.records);
    else await this.#node(node, this.#options.mode, true);
  }

  /** Where a node is reached twice, the first way decides its depth. */
  #node(node: ExportNode, depth: Depth, top = false): Promise<Record[]> {
    let records = this.#nodes.get(node);
    if (records === undefined) this.#nodes.set(node, (records = this.#addNode(node, depth, top)));
    return records;
  }

  async #addNode(node: ExportNode, depth: Depth, top: boolean): Promise<Record[]> {
    this.#options.signal?.throwIfAborted();
    const result = await this.#result(node, depth, top);
    const below = result !== undefined && depth === 'min' ? 'existing' : depth;
    const inputs: ChainLink<RemoteResult>[][] = [];
    // One after the other: the depth of a node that is reached twice must not depend on chance.
    for (const { node: input, names = input.records, selector, content } of node.inputs) {
      const from = input.inputs.length === 0 ? this.#roots(names) : await this.#node(input, below);
      const links = from.map((record) => ({ from: record, selector }));
      if (content !== undefined) links.push({ from: this.chains.add(content, [], []), selector: '' });
      inputs.push(links);
    }
    await this.#addKnown(node);
    const [record] = node.records;
    if (record === undefined || inputs.some((links) => links.length === 0)) return [];
    return [this.chains.add(record, inputs, result === undefined ? [] : [result])];
  }

  #roots(names: readonly Digest[]): Record[] {
    return names.map((name) => this.chains.add(name, [], []));
  }

  async #result(node: ExportNode, depth: Depth, top: boolean): Promise<RemoteResult | undefined> {
    for (const result of node.results) {
      const loaded = await result.load();
      if (loaded === undefined) continue;
      if (loaded.snapshot === undefined || loaded.snapshot.layers.length === 0) return undefined;
      const { layers } = loaded.snapshot;
      const needed = top && this.#options.inline !== true ? 1 : layers.length;
      if (result.onlyWhenHere === true && this.#snapshots.layersHere(loaded.snapshot) < needed) continue;
      const remote = await this.#remote(loaded.snapshot, depth);
      return remote && remote.descriptors.length > 0 ? remoteResult(result.createdAt, remote) : undefined;
    }
    return undefined;
  }

  /** A layer that cannot be read or made costs its result, not the export. */
  async #remote(snapshot: Snapshot, depth: Depth): Promise<Remote | undefined> {
    const { compression, signal, warn } = this.#options;
    try {
      return await this.#snapshots.remote(snapshot, compression, {
        existingOnly: depth === 'existing',
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      if (signal?.aborted === true || !(error instanceof CairnError)) throw error;
      warn?.(`a result is left out of the exported cache: ${error.message}`);
      return undefined;
    }
  }

  /** Other chains that lead to the same keys: of earlier builds, and of caches that were imported. */
  async #addKnown({ known }: ExportNode): Promise<void> {
    for (const { source, key } of known) await this.#key(source, key);
  }

  async #key(source: KeySource, key: KeyId): Promise<Record[]> {
    let keys = this.#keys.get(source);
    if (keys === undefined) this.#keys.set(source, (keys = new Map()));
    const known = keys.get(key);
    if (known !== undefined) return known;
    // What a loop in a damaged cache finds on its way back.
    keys.set(key, []);
    const records = await this.#addKey(source, key);
    keys.set(key, records);
    return records;
  }

  async #addKey(source: KeySource, key: KeyId): Promise<Record[]> {
    await Promise.resolve();
    const root = source.rootRecord(key);
    if (root !== undefined) return [this.chains.add(root, [], [])];
    const groups = new Map<string, ChainLink<RemoteResult>[][]>();
    for (const { from, link } of source.backlinks(key)) {
      const inputs = groups.get(link.record) ?? [];
      groups.set(link.record, inputs);
      while (inputs.length <= link.input) inputs.push([]);
      for (const record of await this.#key(source, from)) {
        inputs[link.input]?.push({ from: record, selector: link.selector });
      }
    }
    return [...groups]
      .filter(([, inputs]) => inputs.every((links) => links.length > 0))
      .map(([record, inputs]) => this.chains.add(record as `${string}:${string}`, inputs, []));
  }
}
