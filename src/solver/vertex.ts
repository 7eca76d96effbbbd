/** What one build knows of one vertex: its op, cache maps, content digests and run, each made at most once. */
import type { Digest } from '../content/contract.ts';
import { CONTENT_OUTPUT, recordDigest } from '../cache/record.ts';
import type { Vertex } from '../llb/graph.ts';
import type { CacheMap, CacheMapDep, Op, OpContext } from '../ops/contract.ts';
import type { EdgeState, SolveContext } from './edge.ts';
import { isCanceled, SolveError } from './error.ts';
import type { RunResult } from './runs.ts';

/** Cache maps that a source may have; BuildKit's have two at most. */
const MAX_CACHE_MAPS = 16;

interface CacheMapStep {
  map: CacheMap;
  done: boolean;
}

export class VertexState {
  readonly vertex: Vertex;
  readonly inputs: readonly EdgeState[];
  /** `--no-cache` and `--no-cache-filter`: no cache is asked, results are written. */
  readonly ignoreCache: boolean;
  readonly #context: SolveContext;
  readonly #steps: (Promise<CacheMapStep> | undefined)[] = [];
  readonly #known: CacheMap[] = [];
  readonly #content: (Promise<Digest> | undefined)[] = [];
  readonly #contentKnown: (Digest | undefined)[] = [];
  #named: Promise<boolean> | undefined;
  #op: Op | undefined;
  #run: Promise<RunResult> | undefined;

  constructor(vertex: Vertex, inputs: readonly EdgeState[], context: SolveContext) {
    this.vertex = vertex;
    this.inputs = inputs;
    this.ignoreCache = vertex.metadata.ignoreCache;
    this.#context = context;
  }

  /** The first cache map; only sources have others. */
  async cacheMap(): Promise<CacheMap> {
    return (await this.#step(0)).map;
  }

  async cacheMaps(): Promise<readonly CacheMap[]> {
    for (let index = 0; index < MAX_CACHE_MAPS; index++) {
      if ((await this.#step(index)).done) break;
    }
    return this.#known;
  }

  /** Somebody asked for a cache map. */
  get isAsked(): boolean {
    return this.#steps.length > 0;
  }

  /** The cache maps that were computed so far. */
  get knownMaps(): readonly CacheMap[] {
    return this.#known;
  }

  /** Whether caches can know the vertex by its definition: nothing that it is made of is random by design. */
  isNamed(): Promise<boolean> {
    return (this.#named ??= this.#computeNamed());
  }

  /** The record of the content of an input; makes the result of the input. */
  contentRecord(input: number, contentDigest: NonNullable<CacheMapDep['contentDigest']>): Promise<Digest> {
    return (this.#content[input] ??= this.#computeContent(input, contentDigest));
  }

  /** That record, where it was computed. */
  knownContent(input: number): Digest | undefined {
    return this.#contentKnown[input];
  }

  /** The op will run once its inputs are there. */
  warm(): void {
    this.#resolve().warm?.();
  }

  /** Runs the op; `key` as in RunRequest. */
  run(key: string | undefined): Promise<RunResult> {
    return (this.#run ??= this.#context.runs.share({
      key,
      ignoreCache: this.ignoreCache,
      name: this.vertex.name,
      signal: this.#context.signal,
      run: () => this.#execute(),
    }));
  }

  async #computeNamed(): Promise<boolean> {
    if (this.ignoreCache) return false;
    const map = await this.cacheMap();
    if (map.volatile === true) return false;
    for (const [input, { state }] of this.inputs.entries()) {
      if (map.deps[input]?.contentDigest === undefined && !(await state.isNamed())) return false;
    }
    return true;
  }

  #step(index: number): Promise<CacheMapStep> {
    return (this.#steps[index] ??= this.#computeStep(index));
  }

  async #computeStep(index: number): Promise<CacheMapStep> {
    const compute = async (): Promise<CacheMapStep> => {
      const step = await this.#resolve().cacheMap(index, this.#opContext());
      this.#known[index] = step.map;
      return step;
    };
    // Naming a source may take requests; the maps of all other ops are made from their definition. One that was
    // found already stays so: its other names are only asked for to record them.
    const isNews = this.inputs.length === 0 && !this.#context.progress.isCached(this.vertex);
    const work = isNews ? this.#shown(compute) : compute();
    return this.#context.track(work).catch((error: unknown) => {
      throw SolveError.from(this.vertex, error, 'failed to load cache key');
    });
  }

  async #computeContent(
    input: number,
    contentDigest: NonNullable<CacheMapDep['contentDigest']>,
  ): Promise<Digest> {
    const tree = await this.inputs[input]?.result();
    this.#context.signal.throwIfAborted();
    try {
      const digest = await this.#context.track(contentDigest(tree, this.#opContext()));
      return (this.#contentKnown[input] = recordDigest(digest, CONTENT_OUTPUT));
    } catch (error) {
      const failure = SolveError.from(this.vertex, error, 'failed to compute cache key');
      if (!isCanceled(failure)) {
        this.#context.progress.start(this.vertex);
        this.#context.progress.complete(this.vertex, failure.message);
      }
      throw failure;
    }
  }

  async #execute(): Promise<readonly Awaited<ReturnType<EdgeState['result']>>[]> {
    const inputs = await Promise.all(this.inputs.map((input) => input.result()));
    this.#context.signal.throwIfAborted();
    const op = this.#resolve();
    const release = await op.acquire?.(this.#context.signal);
    try {
      return await this.#context.track(this.#shown(() => op.run(inputs, this.#opContext())));
    } catch (error) {
      throw SolveError.from(this.vertex, error);
    } finally {
      release?.();
    }
  }

  /** Does `work` with the vertex shown as started, then as completed or failed. */
  async #shown<T>(work: () => Promise<T>): Promise<T> {
    const { progress, signal } = this.#context;
    progress.start(this.vertex);
    try {
      const result = await work();
      progress.complete(this.vertex);
      return result;
    } catch (error) {
      if (signal.aborted) {
        progress.canceled(this.vertex);
        this.#context.decide({ vertex: this.vertex, status: 'canceled', reason: 'the build was stopped' });
      } else progress.complete(this.vertex, new SolveError(this.vertex, error).message);
      throw error;
    }
  }

  #resolve(): Op {
    return (this.#op ??= this.#context.resolveOp(this.vertex));
  }

  #opContext(): OpContext {
    return { signal: this.#context.signal, progress: this.#context.progress.of(this.vertex) };
  }
}
