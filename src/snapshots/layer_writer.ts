/** Layers as blobs in a wanted compression: written from their files, or converted from another blob. */
import { convertLayer, isEstargz } from '../content/compression/convert.ts';
import { wantsTarSum, writeLayer, type WrittenLayer } from '../content/compression/layer.ts';
import {
  ANNOTATION_UNCOMPRESSED,
  type BlobInfo,
  type CompressionConfig,
  type CompressionType,
  type ContentStore,
  type Descriptor,
  type Digest,
} from '../content/contract.ts';
import { DamagedBlobError } from '../content/damaged_blob.ts';
import { streamJob } from '../platform/byte_stream.ts';
import type { JobPool } from '../platform/contract.ts';
import type { Store } from '../store/contract.ts';
import type { DiffSpec } from './jobs/tar.ts';
import { lost, type LayerBlobs } from './layer_blobs.ts';
import { Once } from './once.ts';
import type { LayerRow, SnapshotRecords } from './records.ts';

export class LayerWriter {
  readonly #store: Store;
  readonly #content: ContentStore;
  readonly #records: SnapshotRecords;
  readonly #jobs: JobPool;
  readonly #blobs: LayerBlobs;
  /** Work under way, by layer and format: equal work of one process is done once. */
  readonly #once = new Once<Descriptor>();

  constructor(
    parts: { store: Store; content: ContentStore; records: SnapshotRecords; jobs: JobPool },
    blobs: LayerBlobs,
  ) {
    this.#store = parts.store;
    this.#content = parts.content;
    this.#records = parts.records;
    this.#jobs = parts.jobs;
    this.#blobs = blobs;
  }

  /**
   * The layer as a blob in the wanted compression, made or converted where it is missing.
   * @param diff what the layer is the difference of; undefined: its files are not here
   */
  ensure(
    layer: LayerRow,
    config: CompressionConfig,
    diff: () => DiffSpec | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Descriptor> {
    const existing = this.#blobs.existing(layer.id, config);
    if (existing !== undefined) return Promise.resolve(existing);
    const { type, level, force, ociMediaTypes } = config;
    return this.#once.run(
      `${layer.id} ${JSON.stringify([type, level, force, ociMediaTypes])}`,
      signal,
      async () => {
        const options = signal === undefined ? {} : { signal };
        // A blob is converted rather than made anew: somebody else's tar may have other bytes than ours would.
        const [source] = this.#blobs.available(layer.id);
        if (source !== undefined) {
          const written = await this.#convert(layer, source.descriptor, config, signal);
          const recorded = this.#records
            .blobs(layer.id)
            .some(({ descriptor }) => descriptor.digest === source.descriptor.digest);
          if (recorded || layer.diffID === undefined || written.diffID === layer.diffID)
            return this.#record(layer, written, config.type);
          // As good as the claim that it was made of.
          this.#blobs.claim(layer.id, {
            descriptor: written.descriptor,
            provider: this.#blobs,
            hearsay: true,
          });
          return written.descriptor;
        }
        const spec = diff();
        if (spec === undefined) throw lost(layer.id);
        const args = { spec, hash: wantsTarSum(config) };
        const { bytes, result } = streamJob<typeof args, BlobInfo | undefined>(
          this.#jobs,
          'snapshots.diffTar',
          args,
          options,
        );
        const written = await writeLayer(this.#content, bytes, config, { ...options, tarSum: result });
        return this.#record(layer, written, config.type);
      },
    );
  }

  /** @throws DamagedBlobError where the blob is not the layer; what reading it fails with */
  async #convert(
    layer: LayerRow,
    source: Descriptor,
    config: CompressionConfig,
    signal: AbortSignal | undefined,
  ): Promise<WrittenLayer> {
    // The layer's own diffID counts, whatever its descriptor says; estargz has a tar with more in it.
    const checked =
      layer.diffID === undefined || isEstargz(source)
        ? source
        : { ...source, annotations: { ...source.annotations, [ANNOTATION_UNCOMPRESSED]: layer.diffID } };
    const options = signal === undefined ? {} : { signal };
    try {
      return await convertLayer(this.#content, checked, this.#blobs, config, options);
    } catch (error) {
      if (error instanceof DamagedBlobError) this.#blobs.discard(layer.id, source.digest);
      throw error;
    }
  }

  #record(
    layer: LayerRow,
    written: { descriptor: Descriptor; diffID: Digest },
    compression: CompressionType,
  ): Descriptor {
    this.#store.transaction(() => {
      this.#records.addBlob(layer.id, { descriptor: written.descriptor, compression, provisional: false });
      // estargz adds to the tar: its diffID is another, and not what the layer is known by.
      if (layer.diffID === undefined && compression !== 'estargz') {
        this.#records.setDigests(layer.id, written.diffID, undefined);
      }
    });
    return written.descriptor;
  }
}
