/** The snapshot store: handles in, handles out; the state is in the database, the files below `snapshots/`. */
import { randomBytes } from 'node:crypto';
import { writeLayer } from '../content/compression/layer.ts';
import type { BlobInfo, CompressionConfig, ContentStore, Digest, Remote } from '../content/contract.ts';
import { streamJob } from '../platform/byte_stream.ts';
import type { JobPool } from '../platform/contract.ts';
import type { VertexProgress } from '../progress/events.ts';
import type { Store } from '../store/contract.ts';
import { chooseSnapshotter, rememberedFormat } from './choose.ts';
import type {
  ActiveSnapshot,
  HostTree,
  MountSpec,
  RemoteLayer,
  Snapshot,
  SnapshotMeta,
  SnapshotStore,
  SnapshotUsage,
} from './contract.ts';
import { Directories } from './directories.ts';
import { LayerBlobs } from './layer_blobs.ts';
import { LayerWriter } from './layer_writer.ts';
import { NativeSnapshotter } from './native.ts';
import { chain, NewRecords } from './new_records.ts';
import { OverlaySnapshotter } from './overlay.ts';
import { snapshotId, SnapshotRecords, type Format } from './records.ts';
import { Remotes } from './remotes.ts';
import type { Snapshotter, SnapshotterParts } from './snapshotter.ts';
import { sweepUnrecorded } from './unrecorded.ts';
import { deleteSnapshot, listUsage } from './usage.ts';

const ID_BYTES = 16;

export interface SnapshotStoreParts {
  store: Store;
  content: ContentStore;
  jobs: JobPool;
}

/** A snapshot store that keeps what this process made or asked for from being collected. */
export interface LeasingSnapshotStore extends SnapshotStore {
  /** Lets the collector have it: at the end of a build in a process that goes on. */
  releaseLeases(): void;
}

/** The store must have been opened with `snapshotTables`. No thread is started before files are needed. */
export function createSnapshotStore(parts: SnapshotStoreParts): LeasingSnapshotStore {
  return new LayeredSnapshotStore(parts);
}

class LayeredSnapshotStore implements LeasingSnapshotStore {
  readonly #store: Store;
  readonly #content: ContentStore;
  readonly #records: SnapshotRecords;
  readonly #parts: SnapshotterParts;
  readonly #made: NewRecords;
  readonly #remotes: Remotes;
  #snapshotter: Promise<Snapshotter> | undefined;

  constructor({ store, content, jobs }: SnapshotStoreParts) {
    this.#store = store;
    this.#content = content;
    this.#records = new SnapshotRecords(store);
    this.#made = new NewRecords(store, this.#records);
    const records = this.#records;
    const blobs = new LayerBlobs(store, content, records, jobs);
    this.#parts = { store, jobs, records, directories: new Directories(store), blobs };
    const writer = new LayerWriter({ store, content, records, jobs }, blobs);
    this.#remotes = new Remotes({ made: this.#made, blobs, writer, files: () => this.#files() });
  }

  get(id: string): Snapshot | undefined {
    return this.#records.snapshot(id);
  }

  fromLayers(layers: RemoteLayer[], meta: SnapshotMeta): Promise<Snapshot> {
    const { blobs } = this.#parts;
    const ids: string[] = [];
    let chainID: Digest | undefined;
    const id = this.#store.transaction(() => {
      let parent: string | undefined;
      for (const layer of layers) {
        const { diffID, createdAt } = layer;
        chainID = chain(chainID, diffID);
        const row = this.#records.layerByChain(chainID) ?? {
          id: chainID.slice(chainID.indexOf(':') + 1, chainID.indexOf(':') + 1 + 2 * ID_BYTES),
          diffID,
          chainID,
          origin: '',
          createdAt: createdAt ?? meta.createdAt ?? new Date(),
        };
        ids.push(row.id);
        if (row.origin === '') this.#records.addLayer({ ...row, origin: snapshotId(ids) });
        blobs.claim(row.id, layer);
        parent = this.#made.addSnapshot(ids, parent === undefined ? [] : [parent], meta);
      }
      return parent ?? this.#made.addSnapshot([], [], meta);
    });
    return Promise.resolve(this.#made.handle(id));
  }

  async prepare(
    parent: Snapshot | undefined,
    meta: SnapshotMeta,
    progress?: VertexProgress,
  ): Promise<ActiveSnapshot> {
    const snapshotter = await this.#files();
    if (parent !== undefined) {
      this.#made.hold(parent.id);
      await snapshotter.unpack(parent, { progress });
    }
    const active = await snapshotter.begin(parent, { progress });
    const layer = randomBytes(ID_BYTES).toString('hex');
    const layers = [...(parent?.layers.map(({ id }) => id) ?? []), layer];
    return {
      id: layer,
      mount: active.mount,
      commit: async () => {
        const publish = (): { format: Format; id: string } => ({
          format: snapshotter.format,
          id: snapshotter.finish(active, snapshotId(layers), layer),
        });
        return this.#made.handle(this.#made.addTop(layers, parent, meta, { publish }));
      },
      discard: () => this.#parts.directories.remove(active.base),
    };
  }

  async view(snapshot: Snapshot, progress?: VertexProgress): Promise<MountSpec> {
    const snapshotter = await this.#files();
    this.#made.hold(snapshot.id);
    await snapshotter.unpack(snapshot, { progress });
    return snapshotter.view(snapshot);
  }

  merge(inputs: Snapshot[], meta: SnapshotMeta): Promise<Snapshot> {
    const layers = inputs.flatMap((input) => input.layers.map(({ id }) => id));
    const parents = inputs.map(({ id }) => id);
    const id = this.#store.transaction(() => this.#made.addSnapshot(layers, parents, meta));
    return Promise.resolve(this.#made.handle(id));
  }

  async diff(
    lower: Snapshot | undefined,
    upper: Snapshot | undefined,
    meta: SnapshotMeta,
  ): Promise<Snapshot> {
    const below = lower?.layers.map(({ id }) => id) ?? [];
    const above = upper?.layers.map(({ id }) => id) ?? [];
    const parents = [lower, upper].flatMap((input) => (input === undefined ? [] : [input.id]));
    if (below.every((id, i) => above[i] === id)) {
      const suffix = above.slice(below.length);
      return this.#made.handle(this.#store.transaction(() => this.#made.addSnapshot(suffix, parents, meta)));
    }
    const spec = {
      kind: 'trees',
      lower: await this.view(lower ?? NOTHING),
      upper: await this.view(upper ?? NOTHING),
      mountParent: this.#parts.directories.mountParent(),
    };
    const { bytes } = streamJob(this.#parts.jobs, 'snapshots.diffTar', { spec });
    return this.#fromTar(undefined, bytes, { type: 'uncompressed' }, meta, { provisional: true, parents });
  }

  fromTar(
    parent: Snapshot | undefined,
    tar: AsyncIterable<Uint8Array>,
    compression: CompressionConfig,
    meta: SnapshotMeta,
    options: { signal?: AbortSignal; tarSum?: Promise<BlobInfo | undefined> } = {},
  ): Promise<Snapshot> {
    return this.#fromTar(parent, tar, compression, meta, options);
  }

  async fromHostTree(tree: HostTree, progress?: VertexProgress): Promise<Snapshot> {
    const meta: SnapshotMeta = { description: `local source for ${tree.name}`, type: 'source.local' };
    const active = await this.prepare(undefined, meta, progress);
    if (active.mount.kind !== 'dir') throw new Error('a layer on scratch is a plain directory');
    try {
      await this.#parts.jobs.run('snapshots.copyHost', { tree, target: active.mount.path });
    } catch (error) {
      await active.discard();
      throw error;
    }
    return active.commit();
  }

  remote(
    snapshot: Snapshot,
    compression: CompressionConfig,
    options?: { existingOnly?: boolean; progress?: VertexProgress; signal?: AbortSignal },
  ): Promise<Remote | undefined> {
    return this.#remotes.remote(snapshot, compression, options);
  }

  makeBlob(
    snapshot: Snapshot,
    compression: CompressionConfig,
    options?: { signal?: AbortSignal },
  ): Promise<void> {
    return this.#remotes.makeBlob(snapshot, compression, options);
  }

  async fetch(
    snapshot: Snapshot,
    options: { progress?: VertexProgress; signal?: AbortSignal } = {},
  ): Promise<void> {
    const { blobs } = this.#parts;
    const elsewhere = snapshot.layers.filter(
      ({ id }) => this.#records.directories(id).length === 0 && blobs.available(id).length > 0,
    );
    await Promise.all(
      elsewhere.map(async ({ id }) => {
        const blob = await blobs.fetch(id, options);
        await blobs.recognize(this.#made.layer(id), blob, options.signal);
      }),
    );
  }

  layersHere(snapshot: Snapshot): number {
    return snapshot.layers.filter(
      ({ id }) => this.#records.directories(id).length > 0 || this.#parts.blobs.isHere(id),
    ).length;
  }

  forgetProvider(blob: Digest): void {
    this.#parts.blobs.forget(blob);
  }

  disbelieve(blob: Digest): void {
    this.#parts.blobs.disbelieve(blob);
  }

  mendBlob(blob: Digest): Promise<boolean> {
    return this.#parts.blobs.mend(blob);
  }

  mendDirectories(): number {
    const { directories } = this.#parts;
    // In one transaction: whoever makes a directory records it in the same one.
    return this.#store.transaction(() => {
      const gone = this.#records.allDirectories().filter(({ format, id }) => !directories.has(format, id));
      for (const { format, id } of gone) this.#records.removeDirectory(format, id);
      return gone.length;
    });
  }

  usable(snapshot: Snapshot): boolean {
    const format = rememberedFormat(this.#parts);
    // Nothing was tried yet, so nothing was unpacked: whatever has blobs can be.
    const snapshotter =
      format === undefined || format === 'native'
        ? new NativeSnapshotter(this.#parts)
        : new OverlaySnapshotter(this.#parts, format);
    return snapshotter.usable(snapshot);
  }

  usage(): SnapshotUsage[] {
    return listUsage(this.#parts, this.#content);
  }

  touch(id: string): void {
    this.#records.touch(id);
  }

  delete(id: string): Promise<number> {
    return deleteSnapshot(this.#parts, this.#content, id);
  }

  sweep(options: { all?: boolean } = {}): Promise<number> {
    return sweepUnrecorded(this.#parts, this.#content, options);
  }

  releaseLeases(): void {
    this.#made.releaseLeases();
  }

  #files(): Promise<Snapshotter> {
    return (this.#snapshotter ??= chooseSnapshotter(this.#parts));
  }

  async #fromTar(
    parent: Snapshot | undefined,
    tar: AsyncIterable<Uint8Array>,
    compression: CompressionConfig,
    meta: SnapshotMeta,
    options: {
      signal?: AbortSignal;
      tarSum?: Promise<BlobInfo | undefined>;
      provisional?: boolean;
      parents?: string[];
    },
  ): Promise<Snapshot> {
    const { descriptor, diffID } = await writeLayer(this.#content, tar, compression, options);
    const layers = [...(parent?.layers.map(({ id }) => id) ?? []), randomBytes(ID_BYTES).toString('hex')];
    const blob = {
      descriptor,
      compression: compression.type,
      provisional: options.provisional ?? false,
    };
    return this.#made.handle(this.#made.addTop(layers, parent, meta, { blob, diffID }, options.parents));
  }
}

const NOTHING: Snapshot = { kind: 'snapshot', id: 'scratch', layers: [] };
