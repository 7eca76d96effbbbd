/** Records of what comes into being: layers, the snapshots that they are the top of, and their chain IDs. */
import { createHash } from 'node:crypto';
import type { Digest } from '../content/contract.ts';
import { CairnError } from '../errors/error.ts';
import type { Store } from '../store/contract.ts';
import type { Snapshot, SnapshotMeta } from './contract.ts';
import { snapshotId, type Format, type LayerBlob, type LayerRow, type SnapshotRecords } from './records.ts';

/** Where a new layer is: a directory that is published in the same transaction, or a blob. */
export type MadeLayer =
  | { publish: () => { format: Format; id: string } }
  | { blob: LayerBlob; diffID: Digest };

/** What this process makes or asks for is kept from being collected until {@link releaseLeases}. */
export class NewRecords {
  readonly #store: Store;
  readonly #records: SnapshotRecords;
  readonly #leases = new Map<string, { release(): void }>();

  constructor(store: Store, records: SnapshotRecords) {
    this.#store = store;
    this.#records = records;
  }

  handle(id: string): Snapshot {
    const snapshot = this.#records.snapshot(id);
    if (snapshot === undefined) throw new Error(`snapshot ${id} was not recorded`);
    return snapshot;
  }

  layer(id: string): LayerRow {
    const row = this.#records.layer(id);
    if (row === undefined) throw new CairnError(`layer ${id} was collected`, { code: 'NOT_FOUND' });
    return row;
  }

  /** Records a new layer, where it is, and the snapshot that it is the top of. */
  addTop(
    layers: string[],
    parent: Snapshot | undefined,
    meta: SnapshotMeta,
    made: MadeLayer,
    parents = parent === undefined ? [] : [parent.id],
  ): string {
    const layer = layers.at(-1) ?? '';
    const diffID = 'blob' in made ? made.diffID : undefined;
    const below = this.#chainOf(parent?.layers.map(({ id }) => this.layer(id)) ?? []);
    const known = diffID !== undefined && (below !== undefined || layers.length === 1);
    return this.#store.transaction(() => {
      const id = snapshotId(layers);
      this.#records.addLayer({
        id: layer,
        diffID,
        chainID: known ? chain(below, diffID) : undefined,
        origin: id,
        createdAt: meta.createdAt ?? new Date(),
      });
      if ('blob' in made) {
        this.#records.addBlob(layer, made.blob);
      } else {
        const { format, id: directory } = made.publish();
        this.#records.addDirectory(format, directory, layers.length > 1);
      }
      return this.addSnapshot(layers, parents, meta);
    });
  }

  /** In a transaction. */
  addSnapshot(layers: string[], parents: string[], meta: SnapshotMeta): string {
    const id = this.#records.addSnapshot(layers, parents, meta);
    this.hold(id);
    return id;
  }

  hold(id: string): void {
    if (!this.#leases.has(id)) this.#leases.set(id, this.#store.lease('snapshot', id));
  }

  /** Lets the collector have what was held. */
  releaseLeases(): void {
    for (const lease of this.#leases.values()) lease.release();
    this.#leases.clear();
  }

  /** Once all diffIDs of a stack are known, it is found by its chain ID too. */
  noteChain(rows: LayerRow[]): void {
    let chainID: Digest | undefined;
    this.#store.transaction(() => {
      const ids: string[] = [];
      for (const { id } of rows) {
        ids.push(id);
        const row = this.layer(id);
        if (row.diffID === undefined) return;
        chainID = chain(chainID, row.diffID);
        if (row.chainID === undefined && row.origin === snapshotId(ids)) {
          this.#records.setDigests(id, row.diffID, chainID);
        }
      }
    });
  }

  #chainOf(rows: LayerRow[]): Digest | undefined {
    let chainID: Digest | undefined;
    for (const { diffID } of rows) {
      if (diffID === undefined) return undefined;
      chainID = chain(chainID, diffID);
    }
    return chainID;
  }
}

/** OCI image-spec config.md, "Layer ChainID". */
export function chain(below: Digest | undefined, diffID: Digest): Digest {
  return below === undefined
    ? diffID
    : `sha256:${createHash('sha256').update(`${below} ${diffID}`).digest('hex')}`;
}
