/** Contracts of the snapshots room: file systems as stacks of layers, lazily unpacked. */
import type {
  BlobInfo,
  BlobProvider,
  CompressionConfig,
  Descriptor,
  Digest,
  Remote,
} from '../content/contract.ts';
import type { VertexProgress } from '../progress/events.ts';
import type { FileInfo } from './changes/file_info.ts';
import type { TarEntry } from './tar/entry.ts';

/**
 * One layer: a diff over whatever lies below it. It may exist as a directory in overlay format (whiteouts are
 * character devices 0/0, opaque directories carry the overlay xattr), as one or more blobs, or only as a
 * descriptor that somebody can read.
 */
export interface Layer {
  /** Store id, short, file-name safe. */
  readonly id: string;
  /** sha256 of the uncompressed tar, where it is known already. */
  readonly diffID?: Digest;
}

/** An immutable file system. Scratch has no layers. The object is a handle; the state is in the store. */
export interface Snapshot {
  readonly kind: 'snapshot';
  readonly id: string;
  /** Lowest first. */
  readonly layers: readonly Layer[];
}

/**
 * A directory of the client's, used in place and never written: a local build context or named context.
 * Seen through the source op's patterns (fsutil's rules, as BuildKit's local source applies them); owners read
 * as 0:0, as buildx sends them.
 */
export interface HostTree {
  readonly kind: 'host';
  readonly id: string;
  /** Of the local source, e.g. `context`. */
  readonly name: string;
  readonly root: string;
  readonly includePatterns: readonly string[];
  readonly excludePatterns: readonly string[];
  readonly followPaths: readonly string[];
}

/** What ops take and give. */
export type Tree = Snapshot | HostTree;

/** Plain data that a job can turn into a path: see withMount() in mounts.ts. */
export type MountSpec =
  | { kind: 'dir'; path: string; readonly: boolean }
  /** `lowers` topmost first, as overlayfs wants them; no `upper`: read-only. */
  | { kind: 'overlay'; lowers: string[]; upper?: string; work?: string; userxattr: boolean };

/** BuildKit's record types, as `du` prints them. */
export type RecordType =
  | 'regular'
  | 'internal'
  | 'frontend'
  | 'source.local'
  | 'source.git.checkout'
  | 'exec.cachemount';

export interface SnapshotMeta {
  /** What `du` shows, e.g. `pulled from docker.io/library/busybox:latest` or `mount / from exec /bin/sh -c …`. */
  description: string;
  type?: RecordType;
  createdAt?: Date;
}

/** A layer known by its blob only. */
export interface RemoteLayer {
  descriptor: Descriptor;
  diffID: Digest;
  provider: BlobProvider;
  createdAt?: Date;
  /** Somebody else's word, a cache's, that this blob is this layer: others' blobs of it are preferred. */
  hearsay?: boolean;
}

/** A file system that is being written; exactly one of commit and discard must be called. */
export interface ActiveSnapshot {
  readonly id: string;
  /** Read-write. */
  readonly mount: MountSpec;
  commit(): Promise<Snapshot>;
  discard(): Promise<void>;
}

export interface SnapshotUsage {
  id: string;
  parents: string[];
  description: string;
  type: RecordType;
  /** Bytes on disk of this layer, directory and blobs. */
  size: number;
  createdAt: Date;
  lastUsedAt?: Date;
  usageCount: number;
  inUse: boolean;
  shared: boolean;
  mutable: boolean;
}

/**
 * One entry of a layer that is planned rather than made, for SnapshotStore.fromTar(). The entry's fields are those
 * of its tar header; names are binary strings (names.ts), `mtimeNs` is dropped. The order of entries is
 * the order in the tar: parents first, names in byte order (what BuildKit's differ would write).
 */
export interface LayerEntry extends TarEntry {
  /**
   * Of a file with `size` > 0: its bytes, or the file that has them (path as a binary string) with what lstat(2)
   * said of it: it must still be so when it has been read.
   */
  content?: { data: Uint8Array } | { path: string; info: FileInfo };
}

export interface SnapshotStore {
  /** Undefined: collected, or never there. */
  get(id: string): Snapshot | undefined;
  /** Registers layers without reading a blob; equal chains give the equal snapshot. Providers are remembered
   *  in this process only: in a later one an unread layer whose blob is not in the content store is `lost`. */
  fromLayers(layers: RemoteLayer[], meta: SnapshotMeta): Promise<Snapshot>;
  /** A new layer over `parent` (undefined: scratch), which is unpacked if need be. */
  prepare(
    parent: Snapshot | undefined,
    meta: SnapshotMeta,
    progress?: VertexProgress,
  ): Promise<ActiveSnapshot>;
  /** A read-only view, unpacked if need be. */
  view(snapshot: Snapshot, progress?: VertexProgress): Promise<MountSpec>;
  /** BuildKit's MergeOp: the layers of all, one above the other. */
  merge(inputs: Snapshot[], meta: SnapshotMeta): Promise<Snapshot>;
  /** BuildKit's DiffOp: what turns lower into upper. */
  diff(lower: Snapshot | undefined, upper: Snapshot | undefined, meta: SnapshotMeta): Promise<Snapshot>;
  /**
   * A layer over `parent` that is written once, as a blob in `compression`: its directory is only made when a
   * later step needs the files. `tar`: uncompressed bytes, checked as they are read; `tarSum` as in writeLayer().
   */
  fromTar(
    parent: Snapshot | undefined,
    tar: AsyncIterable<Uint8Array>,
    compression: CompressionConfig,
    meta: SnapshotMeta,
    options?: { signal?: AbortSignal; tarSum?: Promise<BlobInfo | undefined> },
  ): Promise<Snapshot>;
  /** The files of a host tree as a snapshot, for mounts and for steps that need a real file system. */
  fromHostTree(tree: HostTree, progress?: VertexProgress): Promise<Snapshot>;
  /**
   * Blobs of all layers in the wanted compression, made where they are missing (in parallel). With
   * `existingOnly`, undefined unless each layer has a blob somewhere already (BuildKit's "remote only").
   * Layers that are only remote stay remote. Descriptors carry ANNOTATION_UNCOMPRESSED and ANNOTATION_CREATED_AT.
   */
  remote(
    snapshot: Snapshot,
    compression: CompressionConfig,
    options?: { existingOnly?: boolean; progress?: VertexProgress; signal?: AbortSignal },
  ): Promise<Remote | undefined>;
  /** The blob of the topmost layer, made from its files; nothing where it has one in any compression. */
  makeBlob(
    snapshot: Snapshot,
    compression: CompressionConfig,
    options?: { signal?: AbortSignal },
  ): Promise<void>;
  /** Reads what is only remote: afterwards each layer has its files or a blob in the content store. */
  fetch(snapshot: Snapshot, options?: { progress?: VertexProgress; signal?: AbortSignal }): Promise<void>;
  /** How many layers have their files or a blob in the content store: nothing has to be fetched for them. */
  layersHere(snapshot: Snapshot): number;
  /** A blob cannot be read where fromLayers() was told: layers that are nowhere else are lost from now on. */
  forgetProvider(blob: Digest): void;
  /** A blob is not the layer that fromLayers() was told: as forgetProvider(), also where its bytes are here by now. */
  disbelieve(blob: Digest): void;
  /** Deletes a blob of the content store that was damaged there. @returns whether it was */
  mendBlob(blob: Digest): Promise<boolean>;
  /** Forgets directories whose files somebody took away: their layers are unpacked or made again. @returns how many */
  mendDirectories(): number;
  /** True when every layer can be used: a directory, a local blob or a provider in this process. */
  usable(snapshot: Snapshot): boolean;
  usage(): SnapshotUsage[];
  /** Notes a use for the collector. */
  touch(id: string): void;
  /** Deletes a snapshot that no other needs. @returns bytes freed */
  delete(id: string): Promise<number>;
  /** Deletes files that no record refers to: killed processes leave some. `all`: also young blobs. @returns bytes freed */
  sweep(options?: { all?: boolean }): Promise<number>;
}
