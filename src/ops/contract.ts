/** Contract between the solver and the ops. */
import type { Digest } from '../content/contract.ts';
import type { VertexProgress } from '../progress/events.ts';
import type { ChecksumQuery } from '../snapshots/contenthash/checksum.ts';
import type { Tree } from '../snapshots/contract.ts';
import type { Vertex } from '../llb/graph.ts';

/** What an op may use while it computes keys or runs. */
export interface OpContext {
  readonly signal: AbortSignal;
  readonly progress: VertexProgress;
}

export interface CacheMapDep {
  /** Combined with the input's key; absent: the whole input. */
  selector?: Digest;
  /** The content-based ("slow") key of the input, for ops that can be keyed by file contents. Undefined: scratch. */
  contentDigest?: (input: Tree | undefined, context: OpContext) => Promise<Digest>;
  /** The text whose sha256 is `selector`, for explanations and conformance. */
  selectorPreimage?: string;
  /** What `contentDigest` hashes, in its order; for explanations and conformance. */
  contentSelectors?: readonly ChecksumQuery[];
}

/** How an operation is cached (BuildKit's solver.CacheMap). */
export interface CacheMap {
  digest: Digest;
  /** One per input of the vertex. */
  deps: CacheMapDep[];
  /** The digest is random by design: results are neither stored nor exported under it. */
  volatile?: boolean;
  /** The bytes whose sha256 is `digest`, for explanations and conformance; never holds a secret's value. */
  preimage?: string;
}

export interface Op {
  /** Key `index`; `done` false when there is another one. Only sources have more than one. */
  cacheMap(index: number, context: OpContext): Promise<{ map: CacheMap; done: boolean }>;
  /** Runs it. `inputs` in vertex order; one result per output. Undefined: scratch. */
  run(inputs: (Tree | undefined)[], context: OpContext): Promise<(Tree | undefined)[]>;
  /** It will run once its inputs are there: starts what takes long to start. */
  warm?(): void;
  /** Waits for a slot where the op is limited (exec parallelism); returns its release. */
  acquire?(signal: AbortSignal): Promise<() => void>;
}

/** Makes the Op of a vertex; one instance per vertex and build. */
export type OpResolver = (vertex: Vertex) => Op;

/** The client's secrets and agents. Part of BuildClient. */
export interface SecretSource {
  /** Undefined: no such secret. */
  secret(id: string): Promise<Uint8Array | undefined>;
  /**
   * Path of a unix socket that forwards to the agent or keys offered under this id; undefined: this client forwards none
   * under any id.
   * @throws CairnError NOT_FOUND when it forwards agents, but none under this id
   */
  sshSocket(id: string): Promise<string | undefined>;
}
