/** The blobs of layers: which there are, who has them, fetching them. layer_writer.ts makes them. */
import { isEstargz, needsConversion } from '../content/compression/convert.ts';
import {
  type BlobProvider,
  type ByteRange,
  type CompressionConfig,
  type CompressionType,
  type ContentStore,
  type Descriptor,
  type Digest,
} from '../content/contract.ts';
import { DamagedBlobError } from '../content/damaged_blob.ts';
import { verified, WrongBlobError } from '../content/verify.ts';
import { CairnError } from '../errors/error.ts';
import type { JobPool } from '../platform/contract.ts';
import type { VertexProgress } from '../progress/events.ts';
import type { Store } from '../store/contract.ts';
import type { RemoteLayer } from './contract.ts';
import type { CheckArgs } from './jobs/check.ts';
import { LayerClaims, type Claim } from './layer_claims.ts';
import { compressionType } from './layer_descriptor.ts';
import { Once } from './once.ts';
import type { LayerBlob, LayerRow, SnapshotRecords } from './records.ts';
import { watched } from './watched_fetch.ts';

export interface FetchOptions {
  progress?: VertexProgress | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * What layers mostly were before somebody wanted them in another format, first: then an image does not depend on
 * that. The tar of estargz is not that of the others.
 */
const TAKEN_FIRST: readonly CompressionType[] = ['gzip', 'zstd', 'uncompressed', 'estargz'];

export class LayerBlobs implements BlobProvider {
  readonly #store: Store;
  readonly #content: ContentStore;
  readonly #records: SnapshotRecords;
  readonly #jobs: JobPool;
  /** Where blobs that are not here can be read from; known in this process only. */
  readonly #providers = new Map<Digest, BlobProvider>();
  /** Recorded is only what was seen to be the layer. */
  readonly #claims = new LayerClaims();
  /** What this process has fetched. */
  readonly #fetched = new Set<Digest>();
  /** Work under way, by layer and purpose: equal work of one process is done once. */
  readonly #once = new Once<Descriptor>();

  constructor(store: Store, content: ContentStore, records: SnapshotRecords, jobs: JobPool) {
    this.#store = store;
    this.#content = content;
    this.#records = records;
    this.#jobs = jobs;
  }

  /** Notes that somebody says that a blob is this layer, and who has it: until {@link confirm}. */
  claim(layer: string, { descriptor, provider, hearsay = false }: Omit<RemoteLayer, 'diffID'>): void {
    if (provider !== this) this.#providers.set(descriptor.digest, provider);
    const compression = compressionType(descriptor);
    this.#claims.add(layer, { descriptor, compression, provisional: false, hearsay });
  }

  /** Records a claimed blob whose uncompressed bytes were seen to be the layer. In a transaction. */
  confirm(layer: string, digest: Digest): void {
    const claim = this.#claims.of(layer).find(({ descriptor }) => descriptor.digest === digest);
    if (claim !== undefined) this.#records.addBlob(layer, claim);
  }

  /**
   * Looks whether a blob that is here and only claimed is the layer, and can be unpacked, and records it then: later
   * processes have no one else's word for it. One that is not is left to who needs its files, where that can be told.
   */
  async recognize(layer: LayerRow, blob: Descriptor, signal: AbortSignal | undefined): Promise<void> {
    // The tar of estargz is not the layer's own.
    if (layer.diffID === undefined || isEstargz(blob)) return;
    if (this.#records.blobs(layer.id).some(({ descriptor }) => descriptor.digest === blob.digest)) return;
    const args: CheckArgs = { blob: this.path(blob.digest), diffID: layer.diffID };
    try {
      await this.#jobs.run('snapshots.check', args, signal === undefined ? {} : { signal });
    } catch (error) {
      if (signal?.aborted === true) throw error;
      return;
    }
    this.#store.transaction(() => this.confirm(layer.id, blob.digest));
  }

  /**
   * Runs `work` on a blob of a layer. Where it fails because of what the blob is, that is not used any more for the
   * layer, here and in later processes.
   * @throws DamagedBlobError
   */
  async blaming<T>(
    layer: string,
    digest: Digest,
    signal: AbortSignal | undefined,
    work: () => Promise<T>,
  ): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (signal?.aborted === true) throw error;
      // A disk that is full, or a kernel that refuses, is not the fault of what was seen to be the layer.
      const disk = error instanceof CairnError && error.code === 'STORE';
      const recorded = this.#records.blobs(layer).some(({ descriptor }) => descriptor.digest === digest);
      if (!disk || !recorded) this.discard(layer, digest);
      throw new DamagedBlobError(digest, error, { fresh: this.#fetched.has(digest) });
    }
  }

  /** Drops what was claimed of a blob, and the blob unless it was seen to be some layer. */
  disbelieve(digest: Digest): void {
    this.#providers.delete(digest);
    this.#claims.dropBlob(digest);
    this.#store.transaction(() => {
      if (!this.#records.hasBlob(digest)) this.#content.delete(digest);
    });
  }

  /** A blob is not this layer, or cannot be unpacked: it is neither claimed, recorded nor kept. */
  discard(layer: string, digest: Digest): void {
    this.#claims.drop(layer, digest);
    this.#store.transaction(() => {
      this.#records.removeBlob(layer, digest);
      // Who wants it for another layer reads it again: the file may be what is damaged.
      this.#content.delete(digest);
    });
  }

  /**
   * Deletes a blob of the content store that has other bytes than its digest says.
   * @returns whether it had
   */
  async mend(digest: Digest): Promise<boolean> {
    const info = this.#content.info(digest);
    if (info === undefined) return false;
    try {
      const blob = { mediaType: '', digest, size: info.size };
      for await (const _ of verified(this.#content.read(blob), { digest }));
      return false;
    } catch (error) {
      if (!(error instanceof WrongBlobError)) throw error;
      this.#content.delete(digest);
      return true;
    }
  }

  forget(blob: Digest): void {
    this.#providers.delete(blob);
  }

  /** Reads from the content store where the blob is there, else from the remembered provider. */
  read(
    blob: Descriptor,
    options: { range?: ByteRange; signal?: AbortSignal } = {},
  ): AsyncIterable<Uint8Array> {
    const provider =
      this.#content.hold(blob.digest) === undefined ? this.#providers.get(blob.digest) : this.#content;
    if (provider === undefined) {
      throw new CairnError(`blob ${blob.digest} is not in the store and nobody is known who has it`, {
        code: 'NOT_FOUND',
      });
    }
    return provider.read(blob, options);
  }

  /** Where work on a blob is shown: at the source that it came from, else where the options say. */
  shownAt(digest: Digest, options: FetchOptions): FetchOptions {
    return { ...options, progress: this.#providers.get(digest)?.progress ?? options.progress };
  }

  /** File of a blob that is in the content store. */
  path(digest: Digest): string {
    return this.#content.path(digest);
  }

  /** Blobs of a layer that can be read, in the order in which they are taken where any will do. */
  available(layer: string): LayerBlob[] {
    return this.#blobs(layer)
      .filter(
        ({ descriptor }) =>
          this.#content.info(descriptor.digest) !== undefined || this.#providers.has(descriptor.digest),
      )
      .sort(
        (a, b) =>
          // Who names a layer as part of an image is asked before a cache that has it as part of some result.
          Number(a.hearsay) - Number(b.hearsay) ||
          TAKEN_FIRST.indexOf(a.compression) - TAKEN_FIRST.indexOf(b.compression),
      );
  }

  #blobs(layer: string): Claim[] {
    const recorded = this.#records.blobs(layer).map((blob) => ({ ...blob, hearsay: false }));
    const known = new Set(recorded.map(({ descriptor }) => descriptor.digest));
    return [...recorded, ...this.#claims.of(layer).filter(({ descriptor }) => !known.has(descriptor.digest))];
  }

  /** True when a blob of the layer is in the content store. */
  isHere(layer: string): boolean {
    return this.#blobs(layer).some(({ descriptor }) => this.#content.info(descriptor.digest) !== undefined);
  }

  /** A blob of the layer in the content store, fetched if need be. @throws CairnError NOT_FOUND, and the provider's */
  fetch(layer: string, options: FetchOptions): Promise<Descriptor> {
    const blobs = this.available(layer);
    // What is only claimed has no record yet that keeps it from another process's collection.
    const here = blobs.find(({ descriptor }) => this.#content.hold(descriptor.digest) !== undefined);
    if (here !== undefined) return Promise.resolve(here.descriptor);
    const [blob] = blobs;
    if (blob === undefined) return Promise.reject(lost(layer));
    return this.#once.run(`fetch ${layer}`, options.signal, async () => {
      const { descriptor } = blob;
      const { signal } = options;
      const read = this.read(descriptor, signal === undefined ? {} : { signal });
      const shown = this.#providers.get(descriptor.digest)?.progress !== undefined;
      const bytes = shown ? read : watched(read, descriptor, options.progress);
      await this.#content.ingest(bytes, descriptor, signal === undefined ? {} : { signal });
      this.#fetched.add(descriptor.digest);
      return descriptor;
    });
  }

  /** A readable blob that satisfies `config`, as BuildKit chooses: without `force`, any format will do. */
  existing(layer: string, config: CompressionConfig): Descriptor | undefined {
    const blobs = this.available(layer).filter((blob) => !blob.provisional);
    const exact = blobs.find((blob) => blob.compression === config.type);
    if (exact !== undefined) return exact.descriptor;
    return blobs.find((blob) => !needsConversion(blob.descriptor, config))?.descriptor;
  }
}

/** Of a layer that is neither in directories nor in blobs. */
export function lost(layer: string): CairnError {
  return new CairnError(`layer ${layer} is lost: neither its files nor a blob of it can be found`, {
    code: 'NOT_FOUND',
  });
}
