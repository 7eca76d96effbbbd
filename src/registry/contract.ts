/** Contract of the registry room: the OCI distribution protocol (distribution-spec v1.1) as cairn uses it. */
import type { BlobOrigin, BlobProvider, ByteRange, Descriptor, Digest } from '../content/contract.ts';

/** Credentials for one registry host, from the client. Part of BuildClient. */
export interface CredentialSource {
  /** Undefined: anonymous. `identityToken` is an OAuth2 refresh token. */
  credentials(
    host: string,
  ): Promise<{ username: string; password: string } | { identityToken: string } | undefined>;
}

/** A reference taken apart and normalised as distribution/reference does: `busybox` is docker.io/library/busybox:latest. */
export interface Reference {
  /** `docker.io` */
  host: string;
  /** `library/busybox` */
  repository: string;
  tag?: string;
  digest?: Digest;
}

/** One `[registry."host"]` table of buildkitd.toml. */
export interface RegistryHostConfig {
  mirrors: string[];
  http?: boolean;
  insecure?: boolean;
  /** Paths of PEM files with additional roots. */
  ca: string[];
  keyPairs: { key: string; cert: string }[];
}

export interface Manifest {
  descriptor: Descriptor;
  bytes: Uint8Array;
}

/** A client for one repository; tokens, connections and concurrency limits are shared by all of one RegistryClient. */
export interface Repository extends BlobProvider {
  readonly reference: Reference;
  readonly origin: BlobOrigin;
  /** HEAD (GET where HEAD is refused); undefined: 404. */
  resolve(tagOrDigest: string, options?: { signal?: AbortSignal }): Promise<Descriptor | undefined>;
  /** @throws CairnError NOT_FOUND, CORRUPT when the digest differs or it is longer than the limit */
  manifest(tagOrDigest: string, options?: { signal?: AbortSignal }): Promise<Manifest>;
  hasBlob(digest: Digest, options?: { signal?: AbortSignal }): Promise<boolean>;
  /**
   * Skips what is there, mounts from `from` where the registry can, else uploads. What is said to be `from` this very
   * repository is taken to be there; a manifest is refused if it is not. A blob that is small and most likely not
   * there is not asked about (`likelyNew`): storing what is there is no error.
   */
  pushBlob(
    blob: Descriptor,
    provider: BlobProvider,
    options?: {
      from?: BlobOrigin[];
      likelyNew?: boolean;
      signal?: AbortSignal;
      onProgress?: (bytes: number) => void;
    },
  ): Promise<'exists' | 'mounted' | 'uploaded'>;
  pushManifest(
    tagOrDigest: string,
    bytes: Uint8Array,
    mediaType: string,
    options?: { signal?: AbortSignal },
  ): Promise<Descriptor>;
  read(blob: Descriptor, options?: { range?: ByteRange; signal?: AbortSignal }): AsyncIterable<Uint8Array>;
}

export interface RegistryClient {
  repository(reference: Reference, options?: { insecure?: boolean; forPush?: boolean }): Repository;
  close(): void;
}
