/** Snapshots as stacks of layer blobs. */
import type { CompressionConfig, Descriptor, Remote } from '../content/contract.ts';
import type { Snapshot } from './contract.ts';
import type { LayerBlobs } from './layer_blobs.ts';
import { annotated } from './layer_descriptor.ts';
import type { LayerWriter } from './layer_writer.ts';
import type { NewRecords } from './new_records.ts';
import type { Snapshotter } from './snapshotter.ts';

interface RemotesParts {
  made: NewRecords;
  blobs: LayerBlobs;
  writer: LayerWriter;
  /** Asked only where a layer has no blob. */
  files(): Promise<Snapshotter>;
}

export class Remotes {
  readonly #parts: RemotesParts;

  constructor(parts: RemotesParts) {
    this.#parts = parts;
  }

  /** As SnapshotStore.remote(). */
  async remote(
    snapshot: Snapshot,
    compression: CompressionConfig,
    options: { existingOnly?: boolean; signal?: AbortSignal } = {},
  ): Promise<Remote | undefined> {
    const { blobs, made, writer } = this.#parts;
    const rows = snapshot.layers.map(({ id }) => made.layer(id));
    const missing = rows.some(({ id }) => blobs.existing(id, compression) === undefined);
    if (options.existingOnly === true && missing) return undefined;
    const snapshotter = missing ? await this.#parts.files() : undefined;
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, ...(options.signal === undefined ? [] : [options.signal])]);
    const written = rows.map((row) =>
      writer.ensure(row, compression, () => snapshotter?.diffOf(row), signal),
    );
    let descriptors: Descriptor[];
    try {
      descriptors = await Promise.all(written);
    } catch (error) {
      stop.abort();
      await Promise.allSettled(written);
      throw error;
    }
    if (rows.some(({ chainID }) => chainID === undefined)) made.noteChain(rows);
    return {
      descriptors: descriptors.map((descriptor, i) => annotated(descriptor, made.layer(rows[i]?.id ?? ''))),
      provider: blobs,
    };
  }

  /** As SnapshotStore.makeBlob(). */
  async makeBlob(
    snapshot: Snapshot,
    compression: CompressionConfig,
    options: { signal?: AbortSignal } = {},
  ): Promise<void> {
    const { blobs, made, writer } = this.#parts;
    const top = snapshot.layers.at(-1);
    if (top === undefined || blobs.available(top.id).length > 0) return;
    const snapshotter = await this.#parts.files();
    const row = made.layer(top.id);
    await writer.ensure(row, compression, () => snapshotter.diffOf(row), options.signal);
  }
}
