/**
 * The one model of a cache (design decision 3): records linked by inputs and selectors, with layers as
 * results. The local store, an imported cache and an export in progress are the same model with the same
 * queries.
 */
import type { BlobProvider, Descriptor, Digest } from '../content/contract.ts';
import type { Snapshot } from '../snapshots/contract.ts';

/** A key inside one KeySource: opaque, only compared and handed back. */
export type KeyId = string;

/** A link between two keys: `digest@output` of the op that made the target out of input `input`. */
export interface KeyLink {
  input: number;
  output: number;
  /** Cache-map digest of the target's op. */
  digest: Digest;
  /** Empty: the whole input. */
  selector: Digest | '';
}

/** A result under a key. */
export interface KeyResult {
  id: string;
  createdAt: Date;
}

/** A cache that can be asked: BuildKit's CacheKeyStorage with its CacheResultStorage. */
export interface KeySource {
  /** Shown to people: `local`, `registry:R/app:cache`. */
  readonly name: string;
  /** The root key of an op without inputs, if known here. */
  root(digest: Digest, output: number): KeyId | undefined;
  /** Targets of this link from `from`. */
  links(from: KeyId, link: KeyLink): KeyId[];
  results(key: KeyId): KeyResult[];
  /** Lazy. Undefined: gone, or not usable; the caller goes on as if it had never been there. */
  load(result: KeyResult): Promise<Snapshot | undefined>;
}

/** The local store's side that can also be written. */
export interface KeyStore extends KeySource {
  addRoot(digest: Digest, output: number): KeyId;
  addLink(from: KeyId, link: KeyLink, target: KeyId): void;
  newKey(): KeyId;
  addResult(key: KeyId, snapshot: Snapshot, createdAt: Date): KeyResult;
  /** Links that end in this key. */
  backlinks(key: KeyId): { from: KeyId; link: KeyLink }[];
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
  digest: Digest;
  inputs?: { selector?: string; link: number }[][];
  layers?: { layer: number; createdAt?: string }[];
  chains?: { layers: number[]; createdAt?: string }[];
}

/** What a backend found under a name: the config and every layer it names. */
export interface CacheManifest {
  config: CacheConfig;
  /** By digest. */
  blobs: Map<Digest, Descriptor>;
  provider: BlobProvider;
  /** Opaque token for conditional writes: an ETag, a manifest digest. */
  version?: string;
}
