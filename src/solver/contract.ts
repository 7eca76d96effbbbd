/** Contract of the solver: edges in, results and the reasons for them out. README.md explains the rule. */
import type { ExportNode, KeySource, KeyStore } from '../cache/contract.ts';
import type { Edge, Vertex } from '../llb/graph.ts';
import type { OpResolver } from '../ops/contract.ts';
import type { ProgressSink } from '../progress/events.ts';
import type { Tree } from '../snapshots/contract.ts';

/** What the caches said of one vertex; StepReport of the engine is made from it. */
export interface Decision {
  vertex: Vertex;
  status: 'hit' | 'run' | 'error' | 'canceled';
  /** Name of the cache that answered. */
  cache?: string;
  /** The rule that decided: `definition`, `content …`, or why there was no answer. */
  reason: string;
}

/** One build's view of the solver; several builds of one process share runs of equal vertices. */
export interface SolveSession {
  /**
   * The result of an edge; undefined: scratch. Lazy: nothing is fetched for a hit.
   * @throws SolveError of the first vertex that failed, when all other work of the session has stopped;
   *   CairnError CANCELED when the signal fired
   */
  result(edge: Edge): Promise<Tree | undefined>;
  /**
   * Looks for the results of several edges as far as nothing has to run for them. Asked for before results, what
   * is found for one platform is decided (and shown as found) before a step of another one starts.
   */
  find(edges: readonly Edge[]): Promise<void>;
  /** The records of an edge that was solved, for exportCache(). */
  exportNode(edge: Edge): Promise<ExportNode>;
  /** The topmost edges that have a result, when the build failed: for exportCache(). */
  finishedNodes(): Promise<ExportNode[]>;
  /** In the order in which the vertices were decided. */
  readonly decisions: readonly Decision[];
  /** Cancels what is still going on, waits for it, and lets go of results. */
  close(): Promise<void>;
}

export interface SolverOptions {
  resolveOp: OpResolver;
  /** Asked first, and written to. */
  local: KeyStore;
  /** Asked after it, in this order. */
  imports: readonly KeySource[];
  progress: ProgressSink;
  signal: AbortSignal;
}

/** One for a store and process: all sessions must have the same local key store. */
export interface Solver {
  session(options: SolverOptions): SolveSession;
}
