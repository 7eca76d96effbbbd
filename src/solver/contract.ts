/** Contract of the solver: edges in, results and the reasons for them out. */
import type { Edge, Vertex } from '../llb/graph.ts';
import type { KeySource } from '../cache/contract.ts';
import type { OpResolver } from '../ops/contract.ts';
import type { ProgressSink } from '../progress/events.ts';
import type { Tree } from '../snapshots/contract.ts';

/** What the caches said of one vertex; StepReport of the engine is made from it. */
export interface Decision {
  vertex: Vertex;
  status: 'hit' | 'run' | 'error' | 'canceled';
  /** Name of the cache that answered. */
  cache?: string;
  /** The rule that decided: `definition`, `content`, or why there was no answer. */
  reason: string;
}

/** One build's view of the solver; several builds of one process share runs of equal vertices. */
export interface SolveSession {
  /**
   * The result of an edge; undefined: scratch. Lazy: nothing is fetched for a hit.
   * @throws the error of the first vertex that failed, with the vertex attached (SolveError)
   */
  result(edge: Edge): Promise<Tree | undefined>;
  readonly decisions: readonly Decision[];
  close(): Promise<void>;
}

export interface SolverOptions {
  resolveOp: OpResolver;
  /** Asked in this order; the first is the local store, which is also written to. */
  caches: KeySource[];
  progress: ProgressSink;
  signal: AbortSignal;
}
