/**
 * The one model of a cache (design decision 3): records linked by inputs and selectors, with layers as
 * results. The local store, an imported cache and an export in progress are the same model with the same
 * queries. README.md explains it.
 */
import type { BlobProvider, CompressionConfig, Descriptor, Digest } from '../content/contract.ts';
import type { Snapshot } from '../snapshots/contract.ts';

/** A key inside one KeySource: opaque, only compared and handed back. */
export type KeyId = string;

/** What leads from the key of an input to the key of a record. */
export interface KeyLink {
  /** Which input of the record's op. */
  input: number;
  /** `sha256("<cache-map digest>@<output>")` of the target, see recordDigest(). */
  record: Digest;
  /** Empty: the whole input. */
  selector: Digest | '';
}

/** A result under a key. */
export interface KeyResult {
  /** Unique within its source. */
  id: string;
  createdAt: Date;
  /** Blobs of its layers, lowest first, where they are known without looking: imported results. */
  layers?: readonly Digest[];
}

/** A result that can be used. */
export interface LoadedResult {
  /** Undefined: scratch, a result without files. */
  snapshot: Snapshot | undefined;
}

export interface Backlink {
  from: KeyId;
  link: KeyLink;
}

/**
 * A cache that can be asked: BuildKit's CacheKeyStorage with its CacheResultStorage. Queries are synchronous
 * and never fail: what cannot be read is not there.
 */
export interface KeySource {
  /** Shown to people: `local`, `registry:R/app:cache`. */
  readonly name: string;
  /** Settles when queries can be answered; never rejects. Absent: they can be at once. */
  ready?(): Promise<void>;
  /** The key of a record without inputs, if known here. */
  root(record: Digest): KeyId | undefined;
  /** The record of a key without inputs; undefined for other keys. */
  rootRecord(key: KeyId): Digest | undefined;
  /** Whether there is a record with inputs of this digest, whatever they are. */
  has(record: Digest): boolean;
  /** Targets of this link from `from`, in a stable order. */
  links(from: KeyId, link: KeyLink): readonly KeyId[];
  /** Newest first. Only what can be loaded, as far as that is known without trying. */
  results(key: KeyId): readonly KeyResult[];
  /** Links that end in this key, in a stable order. */
  backlinks(key: KeyId): readonly Backlink[];
  /**
   * Makes a result usable; lazy, so that no blob is read. Undefined: gone, or not usable; the caller goes on as
   * if it had never been there.
   */
  load(result: KeyResult): Promise<LoadedResult | undefined>;
}

/** One way to an input of a record: a key of that input, with the selector of the op. */
export interface InputPath {
  key: KeyId;
  /** Empty for the whole input and for keys made from its content. */
  selector: Digest | '';
}

/** The local store's side that can also be written. */
export interface KeyStore extends KeySource {
  /**
   * The key of a record that can be reached by these paths, one list for each input: an existing one that every
   * input leads to, else a new one. Links that are missing are added. Without inputs it is the root key.
   */
  ensure(record: Digest, inputs: readonly (readonly InputPath[])[]): KeyId;
  /** Whether any link or result mentions the key. */
  mentions(key: KeyId): boolean;
  /** Idempotent. */
  addResult(key: KeyId, result: LoadedResult, createdAt: Date): KeyResult;
  /** Runs several of the calls above in one transaction; `fn` must be synchronous. */
  batch<T>(fn: () => T): T;
  /** Holds a snapshot back from collection until released; notes a use. */
  hold(snapshot: Snapshot): { release(): void };
  /** Holds a key back from collection until it has a result, and tells other processes that one is being made. */
  holdKey(key: KeyId): { release(): void };
  /** Whether a living build of another process holds the key. */
  isHeldElsewhere(key: KeyId): boolean;
}

/** `application/vnd.buildkit.cacheconfig.v0` (BuildKit cache/remotecache/v1/types). */
export interface CacheConfig {
  layers?: CacheConfigLayer[];
  records?: CacheConfigRecord[];
}
export interface CacheConfigLayer {
  blob: Digest;
  /** Absent: 0; -1: none. */
  parent?: number;
  annotations?: { mediaType?: string; diffID?: Digest; size?: number; createdAt?: string };
}
export interface CacheConfigRecord {
  layers?: { layer: number; createdAt?: string }[];
  chains?: { layers: number[]; createdAt?: string }[];
  digest: Digest;
  /** For each input, the alternatives that lead to this record. */
  inputs?: { selector?: string; link: number }[][];
}

/** What a backend found under a name: the config and every layer it names. */
export interface CacheManifest {
  config: CacheConfig;
  /** By digest. */
  blobs: Map<Digest, Descriptor>;
  provider: BlobProvider;
  /** Of the manifest, where that is one of OCI or Docker. */
  mediaType?: string;
  /** Opaque token for conditional writes: an ETag, a manifest digest. */
  version?: string;
}

/**
 * One edge of a solved build, as the export walk sees it: the records that make its key, what leads to them,
 * and where its result can be had.
 */
export interface ExportNode {
  /** A source has one for each of its cache maps, all else exactly one; none: its key is random by design. */
  readonly records: readonly Digest[];
  /** One for each input of the op; empty for sources. */
  readonly inputs: readonly ExportInput[];
  /** In the order in which to try them; the first that can be had is exported. */
  readonly results: readonly ExportResult[];
  /** The keys under which caches know it: other chains that lead there are exported as well. */
  readonly known: readonly { source: KeySource; key: KeyId }[];
}

export interface ExportInput {
  node: ExportNode;
  /** Where the node is a source: those of its records that lead on from it. Absent: all. */
  names?: readonly Digest[];
  selector: Digest | '';
  /** Record made from the content of the input, where that was computed. */
  content: Digest | undefined;
}

export interface ExportResult {
  createdAt: Date;
  /**
   * Of a merge: where other vertices go on from it, and in an inline cache, it counts only while none of its layers is
   * elsewhere, and at the top of another while not all of them are. BuildKit v0.32.2 lets go of such merges of its own before it exports, as it cannot
   * look into them; what it knows from an imported cache stays.
   */
  onlyWhenHere?: boolean;
  load(): Promise<LoadedResult | undefined>;
}

/** `min`: the results of the topmost records and what has blobs already; `max`: every result. */
export type CacheExportMode = 'min' | 'max';

export interface CacheExportOptions {
  mode: CacheExportMode;
  compression: CompressionConfig;
  /** The records are for the image's own config. */
  inline?: boolean;
  signal?: AbortSignal;
  /** Told of results that cannot be had; they are left out. */
  warn?: (message: string) => void;
}

/** An export that is ready to be written by a backend: `config` names only blobs that `blobs` has. */
export interface ExportedCache {
  config: CacheConfig;
  /** By digest; each can be read from its provider. */
  blobs: Map<Digest, { descriptor: Descriptor; provider: BlobProvider }>;
}
