/** One output of a vertex in one build: found in a cache, or run. */
import { setTimeout as delay } from 'node:timers/promises';
import type {
  ExportInput,
  ExportNode,
  ExportResult,
  KeyId,
  KeySource,
  KeyStore,
  LoadedResult,
} from '../cache/contract.ts';
import type { Digest } from '../content/contract.ts';
import type { OpResolver } from '../ops/contract.ts';
import type { Tree } from '../snapshots/contract.ts';
import type { Decision } from './contract.ts';
import { canceled, SolveError } from './error.ts';
import { reasonOfHit, reasonOfRun } from './explain.ts';
import { namesOf, sameSource } from './images.ts';
import { namesSeen, storeImported, storeKeys } from './keys.ts';
import { foundLate } from './made.ts';
import { Lookup, MOST, UNFORCED, type Hit } from './lookup.ts';
import type { SolveProgress } from './progress.ts';
import type { Runs } from './runs.ts';
import type { VertexState } from './vertex.ts';

/** How often it is looked whether another process is done. */
const WAIT_MS = 100;

/** What the edges of one build share. */
export interface SolveContext {
  readonly local: KeyStore;
  /** `local` and then the imports. */
  readonly caches: readonly KeySource[];
  readonly resolveOp: OpResolver;
  readonly progress: SolveProgress;
  readonly signal: AbortSignal;
  readonly runs: Runs;
  /** Keys of the sources that this build made. */
  readonly sourcesMade: Set<KeyId>;
  /** Edges without inputs, those nearest to what was asked for first. */
  sources(): readonly EdgeState[];
  /** Remembers work that must have stopped before the session ends. */
  track<T>(work: Promise<T>): Promise<T>;
  decide(decision: Decision): void;
  /** Keeps a result from being collected until the session ends. */
  hold(result: LoadedResult): void;
}

export class EdgeState {
  readonly state: VertexState;
  readonly index: number;
  readonly lookup: Lookup;
  /** Keys in the local store; empty when it can have none; undefined before anybody asked. */
  localKeys: readonly KeyId[] | undefined;
  /** Its inputs are being made for it in this build, or were. */
  made = false;
  /** Its result comes from a cache. */
  wasFound = false;
  /** In the caches, the key that it was made under, where somebody asked for it. */
  readonly keysMade = new Map<KeySource, KeyId | undefined>();
  /** Of a source: whether a cache knew each of its names when that was first asked. */
  readonly namesKnown = new Map<Digest, boolean>();
  readonly #context: SolveContext;
  #result: Promise<Tree | undefined> | undefined;
  #node: Promise<ExportNode> | undefined;
  /** The result that this build uses, for the export. */
  #used: ExportResult | undefined;

  constructor(state: VertexState, index: number, context: SolveContext) {
    this.state = state;
    this.index = index;
    this.lookup = new Lookup(state, index, context);
    this.#context = context;
  }

  /** @throws SolveError of this vertex or of one that it needs */
  result(): Promise<Tree | undefined> {
    return (this.#result ??= this.#solve());
  }

  /** It has a result. */
  get finished(): boolean {
    return this.#used !== undefined;
  }

  /** Looks for the result as far as nothing has to run for it. */
  async find(): Promise<void> {
    if ((await this.lookup.found(UNFORCED)) !== undefined) await this.result();
  }

  exportNode(): Promise<ExportNode> {
    return (this.#node ??= this.#makeNode());
  }

  async #solve(): Promise<Tree | undefined> {
    const { signal } = this.#context;
    const { vertex } = this.state;
    try {
      for (;;) {
        if (signal.aborted) throw canceled(signal);
        const hit = await this.lookup.found(MOST);
        if (hit === undefined) return await this.#run();
        const loaded = await this.#load(hit);
        if (loaded !== undefined) return loaded.snapshot;
        this.lookup.lose(hit);
      }
    } catch (error) {
      const failure = signal.aborted ? canceled(signal) : SolveError.from(vertex, error);
      const own = failure instanceof SolveError && failure.vertex === vertex;
      if (own) this.#context.decide({ vertex, status: 'error', reason: failure.message });
      throw failure;
    }
  }

  async #load(hit: Hit): Promise<LoadedResult | undefined> {
    const { source, result } = hit;
    const found = await source.load(result);
    if (found === undefined) return undefined;
    const { vertex } = this.state;
    this.#context.hold(found);
    // Between finding and holding it somebody may have collected it.
    const loaded = source === this.#context.local ? await source.load(result) : found;
    if (loaded === undefined) return undefined;
    if (source !== this.#context.local) await storeImported(this, hit, loaded, this.#context);
    this.wasFound = true;
    this.#used = this.#exportable(source, result.createdAt, () => Promise.resolve(loaded));
    this.#context.decide({ vertex, status: 'hit', cache: source.name, reason: reasonOfHit(this.state, hit) });
    // An equal source that was made a moment ago is no cache: both are shown as done.
    if (source !== this.#context.local || !this.#context.sourcesMade.has(hit.key))
      this.#context.progress.cached(vertex);
    return loaded;
  }

  async #run(): Promise<Tree | undefined> {
    const { vertex } = this.state;
    const { local } = this.#context;
    this.made = true;
    const reason = reasonOfRun(this.state, this.lookup, this.#context.caches);
    this.state.warm();
    const late = await this.#makeInputs();
    if (late !== undefined) return late.snapshot;
    const keys = await storeKeys(this, this.#context);
    const made = await this.#waitElsewhere(keys);
    if (made !== undefined) return made.snapshot;
    const held = keys.map((key) => local.holdKey(key));
    try {
      const { outputs, own, by } = await this.state.run(keys[0]);
      const decision = own
        ? ({ vertex, status: 'run', reason } as const)
        : ({ vertex, status: 'hit', reason: `equal to ${by}, which ran at the same time` } as const);
      this.#context.decide(decision);
      // A source is shown as done by then: BuildKit has asked each of two equal ones for its key.
      if (!own && this.state.inputs.length > 0) this.#context.progress.cached(vertex);
      const tree = outputs[this.index];
      if (tree?.kind !== 'host') this.#keep(keys, { snapshot: tree });
      return tree;
    } finally {
      for (const each of held) each.release();
    }
  }

  /** While another process makes the same, waits for it. Two that begin at once both run: that harms nothing. */
  async #waitElsewhere(keys: readonly KeyId[]): Promise<LoadedResult | undefined> {
    const { local, progress, signal } = this.#context;
    const { vertex, ignoreCache, inputs } = this.state;
    const [key] = keys;
    if (key === undefined || ignoreCache || inputs.length === 0 || !local.isHeldElsewhere(key))
      return undefined;
    progress.start(vertex);
    progress.of(vertex).log(2, new TextEncoder().encode('waiting for another build that runs this step\n'));
    while (local.isHeldElsewhere(key)) {
      await delay(WAIT_MS, undefined, { signal }).catch((error: unknown) => {
        progress.canceled(vertex);
        throw error;
      });
    }
    for (const result of local.results(key)) {
      const loaded = await local.load(result);
      if (loaded === undefined) continue;
      this.#context.hold(loaded);
      this.#used = this.#exportable(local, result.createdAt, () => Promise.resolve(loaded));
      this.#context.decide({
        vertex,
        status: 'hit',
        cache: local.name,
        reason: 'another build has just run it',
      });
      progress.cached(vertex);
      return loaded;
    }
    return undefined;
  }

  /** @returns what is found once they are there */
  async #makeInputs(): Promise<LoadedResult | undefined> {
    const { inputs } = this.state;
    const [input] = inputs;
    if (input !== undefined && inputs.length === 1) {
      await input.result();
      // Content that nobody needs is not looked at, nor exported then.
      const late = await this.#loadLate();
      if (late !== undefined) return late;
    }
    await Promise.all([this.#contentRecords(), ...inputs.map((each) => each.result())]);
    return this.#loadLate();
  }

  async #loadLate(): Promise<LoadedResult | undefined> {
    for (;;) {
      const hit = foundLate(this, this.#context);
      if (hit === undefined) return undefined;
      const loaded = await this.#load(hit);
      if (loaded === undefined) {
        this.lookup.lose(hit);
        continue;
      }
      // From now on its definition leads there as well as what it was found by.
      await storeKeys(this, this.#context);
      return loaded;
    }
  }

  /** Keeps a new result under the keys of the edge. */
  #keep(keys: readonly KeyId[], result: LoadedResult): void {
    const { local } = this.#context;
    const createdAt = new Date();
    this.#context.hold(result);
    if (keys.length > 0) {
      local.batch(() => {
        for (const key of keys) local.addResult(key, result, createdAt);
      });
      if (this.state.inputs.length === 0) for (const key of keys) this.#context.sourcesMade.add(key);
    }
    this.#used = this.#exportable(local, createdAt, () => Promise.resolve(result));
  }

  /** Every content-based key there is, so that the result can be found by each of them. */
  async #contentRecords(): Promise<void> {
    const map = await this.state.cacheMap();
    await Promise.all(
      this.state.inputs.flatMap((_, input) => {
        const contentDigest = map.deps[input]?.contentDigest;
        return contentDigest === undefined ? [] : [this.state.contentRecord(input, contentDigest)];
      }),
    );
  }

  async #makeNode(): Promise<ExportNode> {
    const { state } = this;
    if (state.inputs.length === 0) await state.cacheMaps();
    const map = await state.cacheMap();
    const inputs: ExportInput[] = [];
    for (const [number, input] of state.inputs.entries()) {
      inputs.push({
        node: await input.exportNode(),
        ...(input.state.inputs.length > 0 ? {} : { names: namesSeen(this, number, this.#context) }),
        selector: map.deps[number]?.selector ?? '',
        content: state.knownContent(number),
      });
    }
    const exportable = state.vertex.metadata.exportCache?.Value ?? true;
    return {
      records: namesOf(sameSource(this, this.#context)),
      inputs,
      results: exportable ? this.#results() : [],
      known: this.#known(),
    };
  }

  #exportable(source: KeySource, createdAt: Date, load: ExportResult['load']): ExportResult {
    const own = source === this.#context.local;
    return { createdAt, load, onlyWhenHere: own && this.state.vertex.op.op.case === 'merge' };
  }

  #known(): ExportNode['known'] {
    const { local, caches } = this.#context;
    return caches.flatMap((source) => {
      const ids = this.lookup.known(source)?.ids ?? [];
      const made = this.keysMade.get(source);
      let keys = ids;
      if (source === local) keys = [...new Set([...(this.localKeys ?? []), ...ids])];
      // What was made here is exported by the keys that it was made under.
      else if (this.made && !this.wasFound) keys = made === undefined ? [] : [made];
      return keys.map((key) => ({ source, key }));
    });
  }

  /** What this build used; of a vertex that it did not need, what the caches have. */
  #results(): ExportResult[] {
    if (this.#used !== undefined) return [this.#used];
    return this.#known()
      .flatMap(({ source, key }) =>
        source
          .results(key)
          .map((result) => this.#exportable(source, result.createdAt, () => source.load(result))),
      )
      .toSorted((a, b) => b.createdAt.getTime() - a.createdAt.getTime());
  }
}
