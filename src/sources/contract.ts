/** Contract of the sources room: what a source op names, resolved to a key and, when needed, to files. */
import type { Digest } from '../content/contract.ts';
import type { Tree } from '../snapshots/contract.ts';
import type { VertexProgress } from '../progress/events.ts';
import type { Platform } from '../llb/gen/ops_pb.js';

export interface SourceContext {
  readonly signal: AbortSignal;
  readonly progress: VertexProgress;
}

/** One key of a source. An image has two, by manifest and then by chain ID (BuildKit source/containerimage). */
export interface SourceKey {
  /** BuildKit's CacheKey string; ops/source.ts makes the cache map's digest from it. */
  key: string;
  /** False when key `index + 1` exists. */
  done: boolean;
  /** Random by design (local sources): never stored, never exported. */
  volatile?: boolean;
  /** What the source resolved to, for metadata files and explanations: a manifest digest, a commit. */
  pin?: string;
}

export interface Source {
  key(index: number, context: SourceContext): Promise<SourceKey>;
  /** The files; lazy where the source allows. Called at most once, after key(0). */
  snapshot(context: SourceContext): Promise<Tree>;
}

/** Makes the Source of a source op's identifier and attributes. @throws CairnError UNSUPPORTED for an unknown scheme */
export type SourceResolver = (
  identifier: string,
  attrs: Record<string, string>,
  platform: Platform | undefined,
) => Source;

/** The client's side of local sources and OCI layouts: names to directories. Part of BuildClient. */
export interface ContextSource {
  /** Directory of `local://NAME`; undefined: the client does not offer it. */
  localDirectory(name: string): string | undefined;
  /** Directory of the OCI layout that `oci-layout://…` with this `oci.store` attribute names. */
  ociLayout(storeId: string): string | undefined;
  /**
   * Bytes that the client uploads under `http://buildkit-session/ID` (BuildKit session/upload), once each;
   * undefined: it offers none under this id.
   */
  upload(id: string): AsyncIterable<Uint8Array> | undefined;
}

export type ResolveMode = 'default' | 'pull' | 'local';

/** An image resolved to one platform's config, for the frontend. */
export interface ResolvedImage {
  /** The reference, normalised, without digest changes. */
  ref: string;
  /** Digest of what the reference names: an index or a manifest. */
  digest: Digest;
  /** The image config's JSON bytes. */
  config: Uint8Array;
}
