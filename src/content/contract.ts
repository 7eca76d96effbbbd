/** Contracts of the content room: blobs by digest, and where they can be read from. */
import type { VertexProgress } from '../progress/events.ts';

/** `algorithm:hex`, as in the OCI image specification, descriptor.md#digests. */
export type Digest = `${string}:${string}`;

/** OCI content descriptor (image-spec v1.1, descriptor.md). */
export interface Descriptor {
  mediaType: string;
  digest: Digest;
  /** In bytes. */
  size: number;
  urls?: string[];
  annotations?: Record<string, string>;
  platform?: OciPlatform;
  artifactType?: string;
  data?: string;
}

export interface OciPlatform {
  architecture: string;
  os: string;
  variant?: string;
  'os.version'?: string;
  'os.features'?: string[];
}

/** A half-open byte range; `end` absent: to the end. */
export interface ByteRange {
  start: number;
  end?: number;
}

/** Anything that can hand out blobs: the content store, a registry, a cache backend, an OCI layout. */
export interface BlobProvider {
  /** Of the vertex that shows what is read, where one does: what is made of these blobs is shown there, too. */
  readonly progress?: VertexProgress;
  /**
   * The bytes of a blob, in order. Whoever consumes them checks the digest (ContentStore.ingest does).
   * @throws CairnError NOT_FOUND, DENIED, UNAVAILABLE, TIMEOUT
   */
  read(blob: Descriptor, options?: { range?: ByteRange; signal?: AbortSignal }): AsyncIterable<Uint8Array>;
}

/** Where the blob came from, so that a push can mount it across repositories instead of uploading. */
export interface BlobOrigin {
  /** Registry host and repository, e.g. `{host: 'docker.io', repository: 'library/busybox'}`. */
  host: string;
  repository: string;
}

export interface BlobInfo {
  digest: Digest;
  size: number;
}

/**
 * The content store: immutable blobs as files named by digest in an OCI layout's `blobs/`.
 * A blob that is there was whole: it was hashed while written, flushed and renamed. Its disk may damage it later.
 */
export interface ContentStore extends BlobProvider {
  /** Undefined: not here. One stat, synchronous. */
  info(digest: Digest): BlobInfo | undefined;
  /** As info(); a blob that is here then stays while this process needs it, whatever others collect. */
  hold(digest: Digest): BlobInfo | undefined;
  /** Path of a blob that is here. */
  path(digest: Digest): string;
  /** The whole of a small blob. @throws CairnError CORRUPT when longer than `limit` bytes. */
  readAll(digest: Digest, limit: number): Promise<Uint8Array>;
  /**
   * The whole of a small blob; undefined when it is not here. One that the disk has damaged is deleted, and is not
   * here either. @throws CairnError CORRUPT when longer than `limit` bytes
   */
  readSound(digest: Digest, limit: number): Promise<Uint8Array | undefined>;
  /**
   * Writes a blob: hashed on the way, checked against `expected`, flushed and renamed. Idempotent; two
   * writers of one blob are harmless.
   * @throws CairnError CORRUPT when digest or size differ; nothing is kept then.
   */
  ingest(
    bytes: AsyncIterable<Uint8Array> | Uint8Array,
    expected?: { digest?: Digest; size?: number },
    options?: { signal?: AbortSignal },
  ): Promise<BlobInfo>;
  delete(digest: Digest): void;
  /** Every blob here. */
  list(): Iterable<BlobInfo>;
}

export type CompressionType = 'uncompressed' | 'gzip' | 'estargz' | 'zstd';

/** How layers are to be stored (BuildKit's util/compression.Config). */
export interface CompressionConfig {
  type: CompressionType;
  /** gzip, estargz 0–9; zstd 0–22; undefined: the algorithm's own default. */
  level?: number;
  /** Recompress layers that are there in another format already. */
  force?: boolean;
  /** OCI media types (true) or Docker's. */
  ociMediaTypes?: boolean;
}

/** A stack of layer blobs, lowest first, and where each can be read. */
export interface Remote {
  descriptors: Descriptor[];
  provider: BlobProvider;
}

/** Annotation that carries a layer's diffID on its descriptor. */
export const ANNOTATION_UNCOMPRESSED = 'containerd.io/uncompressed';
/** Annotation that carries a layer's creation time (RFC 3339). */
export const ANNOTATION_CREATED_AT = 'buildkit/createdat';
