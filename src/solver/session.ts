/** One build's view of the solver. */
import type { ExportNode, KeyId, KeySource, KeyStore, LoadedResult } from '../cache/contract.ts';
import type { Digest } from '../content/contract.ts';
import { edgeName, type Edge, type Vertex } from '../llb/graph.ts';
import type { OpResolver } from '../ops/contract.ts';
import type { Tree } from '../snapshots/contract.ts';
import type { Decision, Solver, SolverOptions, SolveSession } from './contract.ts';
import { EdgeState, type SolveContext } from './edge.ts';
import { canceled } from './error.ts';
import { SolveProgress } from './progress.ts';
import { Runs } from './runs.ts';
import { VertexState } from './vertex.ts';

/** One for a store and process: its sessions share the runs of equal vertices. */
export function createSolver(): Solver {
  const runs = new Runs();
  return { session: (options) => new Session(options, runs) };
}

class Session implements SolveSession, SolveContext {
  readonly local: KeyStore;
  readonly caches: readonly KeySource[];
  readonly resolveOp: OpResolver;
  readonly progress: SolveProgress;
  readonly signal: AbortSignal;
  readonly runs: Runs;
  readonly decisions: Decision[] = [];
  readonly sourcesMade = new Set<KeyId>();
  readonly #outer: AbortSignal;
  readonly #stop = new AbortController();
  readonly #vertices = new Map<Digest, VertexState>();
  readonly #edges = new Map<string, EdgeState>();
  /** How many steps each vertex is from the nearest edge that was asked for. */
  readonly #depths = new Map<Digest, number>();
  #sources: EdgeState[] | undefined;
  readonly #decided = new Set<Digest>();
  /** Decisions that no cache made: a later vertex was found. */
  readonly #skipped = new Map<Digest, Decision>();
  readonly #working = new Set<Promise<unknown>>();
  readonly #held = new Map<string, { release(): void }>();
  #failure: unknown;

  constructor({ local, imports, resolveOp, progress, signal }: SolverOptions, runs: Runs) {
    this.local = local;
    this.caches = [local, ...imports];
    this.resolveOp = resolveOp;
    this.progress = new SolveProgress(progress, (digest) => this.#skip(digest));
    this.runs = runs;
    this.#outer = signal;
    this.signal = AbortSignal.any([signal, this.#stop.signal]);
  }

  async result(edge: Edge): Promise<Tree | undefined> {
    try {
      return await this.#edge(edge).result();
    } catch (error) {
      // The first failure is the one to tell of; what it stopped is not.
      this.#failure ??= error;
      this.#stop.abort(error);
      await this.#settled();
      throw this.#outer.aborted ? canceled(this.#outer) : this.#failure;
    }
  }

  async find(edges: readonly Edge[]): Promise<void> {
    // What fails here fails again, and is told, when the result is asked for.
    await Promise.allSettled(edges.map((edge) => this.track(this.#edge(edge).find())));
  }

  exportNode(edge: Edge): Promise<ExportNode> {
    return this.#edge(edge).exportNode();
  }

  async finishedNodes(): Promise<ExportNode[]> {
    const finished = [...this.#edges.values()].filter((edge) => edge.finished);
    const needed = new Set(finished.flatMap((edge) => edge.state.inputs));
    const nodes = await Promise.allSettled(
      finished.filter((edge) => !needed.has(edge)).map((edge) => edge.exportNode()),
    );
    // An edge whose keys were never asked for, because the build stopped, has nothing to be found by.
    return nodes.flatMap((node) => (node.status === 'fulfilled' ? [node.value] : []));
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#settled();
    for (const held of this.#held.values()) held.release();
    this.#held.clear();
  }

  track<T>(work: Promise<T>): Promise<T> {
    const settled = work.then(
      () => undefined,
      () => undefined,
    );
    this.#working.add(settled);
    void settled.finally(() => this.#working.delete(settled));
    return work;
  }

  decide(decision: Decision): void {
    const { digest } = decision.vertex;
    const earlier = this.#skipped.get(digest);
    if (earlier !== undefined) {
      // Another platform needs it after all.
      this.#skipped.delete(digest);
      this.decisions[this.decisions.indexOf(earlier)] = decision;
    }
    if (this.#decided.has(digest)) return;
    this.#decided.add(digest);
    this.decisions.push(decision);
  }

  sources(): readonly EdgeState[] {
    const depthOf = ({ state }: EdgeState): number => this.#depths.get(state.vertex.digest) ?? 0;
    return (this.#sources ??= [...this.#edges.values()]
      .filter(({ state }) => state.inputs.length === 0)
      .toSorted((a, b) => depthOf(a) - depthOf(b)));
  }

  hold({ snapshot }: LoadedResult): void {
    if (snapshot === undefined || this.#held.has(snapshot.id)) return;
    this.#held.set(snapshot.id, this.local.hold(snapshot));
  }

  #skip(digest: Digest): void {
    const vertex = this.#vertices.get(digest)?.vertex;
    if (vertex === undefined || this.#decided.has(digest)) return;
    const decision = { vertex, status: 'hit', reason: 'not needed: a later step was found' } as const;
    this.decide(decision);
    this.#skipped.set(digest, decision);
  }

  async #settled(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working);
  }

  #edge(asked: Edge): EdgeState {
    const { vertex, index } = asked;
    const name = edgeName(asked);
    let edge = this.#edges.get(name);
    if (edge === undefined) {
      this.#edges.set(name, (edge = new EdgeState(this.#vertex(vertex), index, this)));
      this.#sources = undefined;
    }
    return edge;
  }

  #measure(target: Vertex): void {
    const depths = new Map([[target, 0]]);
    for (const [vertex, depth] of depths) {
      const earlier = this.#depths.get(vertex.digest) ?? depth;
      this.#depths.set(vertex.digest, Math.min(earlier, depth));
      for (const input of vertex.inputs) if (!depths.has(input.vertex)) depths.set(input.vertex, depth + 1);
    }
  }

  /** Adds a vertex and all that it needs, inputs first. */
  #vertex(target: Vertex): VertexState {
    if (!this.#vertices.has(target.digest)) this.#measure(target);
    const open: { vertex: Vertex; ready: boolean }[] = [{ vertex: target, ready: false }];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { vertex } = next;
      if (this.#vertices.has(vertex.digest)) continue;
      if (next.ready) {
        const inputs = vertex.inputs.map((input) => this.#edge(input));
        this.#vertices.set(vertex.digest, new VertexState(vertex, inputs, this));
        this.progress.announce(vertex);
        continue;
      }
      open.push({ vertex, ready: true });
      open.push(...vertex.inputs.toReversed().map((input) => ({ vertex: input.vertex, ready: false })));
    }
    const state = this.#vertices.get(target.digest);
    if (state === undefined) throw new Error(`vertex ${target.digest} was not added`);
    return state;
  }
}
