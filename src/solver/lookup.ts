/** Which keys an edge has in each cache, and which result they lead to: the rule of README.md. */
import type { KeyId, KeyResult, KeySource } from '../cache/contract.ts';
import { recordDigest } from '../cache/record.ts';
import type { Digest } from '../content/contract.ts';
import type { CacheMap } from '../ops/contract.ts';
import type { SolveContext } from './edge.ts';
import { connectContent } from './keys.ts';
import type { VertexState } from './vertex.ts';

/**
 * How much may be done to learn a key, from nothing to everything.
 *
 * 0: definitions only, and of a source only its first name.
 * 1: also the content of inputs that no definition-based key leads from.
 * 2: also the content of every other input that can be keyed so.
 */
export type Effort = 0 | 1 | 2;
export const MOST: Effort = 2;

/** What is known of an edge in one cache. */
export interface Keys {
  readonly ids: readonly KeyId[];
  /** More effort would find nothing more. */
  readonly final: boolean;
  /** Inputs from which nothing leads on, when that is why there are no keys. */
  readonly unmatched: readonly number[];
  /** Inputs whose content was asked for. */
  readonly content: readonly number[];
}

const NOTHING: Keys = { ids: [], final: true, unmatched: [], content: [] };

/** A result that some cache has for an edge. */
export interface Hit {
  source: KeySource;
  key: KeyId;
  result: KeyResult;
  keys: Keys;
}

export class Lookup {
  readonly #vertex: VertexState;
  readonly #output: number;
  readonly #context: SolveContext;
  /** By effort and cache. */
  readonly #keys = new Map<string, Promise<Keys>>();
  readonly #settled = new Map<KeySource, Keys>();
  #found: (Promise<Hit | undefined> | undefined)[] = [];
  readonly #lost = new Set<string>();

  constructor(vertex: VertexState, output: number, context: SolveContext) {
    this.#vertex = vertex;
    this.#output = output;
    this.#context = context;
  }

  /** The keys of the edge in `source`. */
  keys(effort: Effort, source: KeySource): Promise<Keys> {
    const name = `${effort} ${this.#context.caches.indexOf(source)}`;
    let keys = this.#keys.get(name);
    if (keys === undefined) {
      keys = this.#computeKeys(effort, source);
      this.#keys.set(name, keys);
      // Whoever gave up waiting for it (see everyPath) is not there to handle its failure.
      keys.catch(() => undefined);
    }
    return keys;
  }

  /** The best of what was learnt of the edge in `source`, without learning more. */
  known(source: KeySource): Keys | undefined {
    return this.#settled.get(source);
  }

  /** The result to use: of the least effort, then the first cache, then the newest. */
  found(effort: Effort): Promise<Hit | undefined> {
    return (this.#found[effort] ??= this.#find(effort));
  }

  /** A hit that could not be loaded after all. */
  lose({ source, result }: Hit): void {
    this.#lost.add(`${source.name} ${result.id}`);
    this.#found = [];
  }

  async #find(effort: Effort): Promise<Hit | undefined> {
    if (effort > 0) {
      const earlier = await this.found(less(effort));
      if (earlier !== undefined) return earlier;
    }
    for (const source of this.#context.caches) {
      const keys = await this.keys(effort, source);
      const hits = keys.ids.flatMap((key) =>
        source
          .results(key)
          .filter((result) => !this.#lost.has(`${source.name} ${result.id}`))
          .map((result) => ({ source, key, result, keys })),
      );
      if (hits.length > 0) {
        return hits.reduce((best, hit) => (hit.result.createdAt > best.result.createdAt ? hit : best));
      }
    }
    return undefined;
  }

  async #computeKeys(effort: Effort, source: KeySource): Promise<Keys> {
    // Breaks the recursion through long chains of inputs into steps of their own.
    await Promise.resolve();
    const keys = await this.#learn(effort, source);
    this.#settled.set(source, keys);
    return keys;
  }

  async #learn(effort: Effort, source: KeySource): Promise<Keys> {
    const vertex = this.#vertex;
    if (vertex.ignoreCache) return NOTHING;
    if (vertex.inputs.length === 0) return this.#rootKeys(effort, source);
    if (effort > 0) {
      const earlier = await this.keys(less(effort), source);
      if (earlier.final) return earlier;
      // With a result at hand nothing is forced to learn yet another name for it.
      if ((await this.found(less(effort))) !== undefined) return earlier;
    }
    const map = await vertex.cacheMap();
    if (map.volatile === true) return NOTHING;
    const record = recordDigest(map.digest, this.#output);
    const content = new Set<number>();
    const paths = await everyPath(
      vertex.inputs.map((_, input) => this.#paths(input, map, record, effort, source, content)),
    );
    if (!Array.isArray(paths)) {
      return { ids: [], final: effort > 0, unmatched: [paths.empty], content: [...content] };
    }
    const ids = [...paths.reduce((left, right) => left.intersection(right))].toSorted();
    if (ids.length > 0 && content.size > 0 && source === this.#context.local) {
      await connectContent(vertex, this.#output, content, this.#context);
    }
    return { ids, final: effort === MOST, unmatched: [], content: [...content] };
  }

  async #rootKeys(effort: Effort, source: KeySource): Promise<Keys> {
    const maps = effort === 0 ? [await this.#vertex.cacheMap()] : await this.#vertex.cacheMaps();
    const records = maps.filter((map) => map.volatile !== true);
    if (records.length === 0) return NOTHING;
    await source.ready?.();
    const ids = records
      .map((map) => source.root(recordDigest(map.digest, this.#output)))
      .filter((id) => id !== undefined);
    return { ids, final: effort > 0, unmatched: [], content: [] };
  }

  /** Keys of the edge that one input leads to. */
  async #paths(
    input: number,
    map: CacheMap,
    record: Digest,
    effort: Effort,
    source: KeySource,
    content: Set<number>,
  ): Promise<Set<KeyId>> {
    const dep = map.deps[input] ?? {};
    const edge = this.#vertex.inputs[input];
    const selector = dep.selector ?? '';
    const byDefinition = async (spent: Effort): Promise<KeyId[]> => {
      const keys = await edge?.lookup.keys(spent, source);
      return (keys?.ids ?? []).flatMap((from) => source.links(from, { input, record, selector }));
    };
    const paths = new Set(await byDefinition(effort));
    const { contentDigest } = dep;
    if (contentDigest !== undefined && (effort === MOST || (effort === 1 && paths.size === 0))) {
      content.add(input);
      const key = await this.#vertex.contentRecord(input, contentDigest);
      await source.ready?.();
      const root = source.root(key);
      if (root !== undefined) {
        for (const id of source.links(root, { input, record, selector: '' })) paths.add(id);
      }
    }
    if (effort === 1 && paths.size === 0) for (const id of await byDefinition(MOST)) paths.add(id);
    return paths;
  }
}

function less(effort: Effort): Effort {
  return effort === 2 ? 1 : 0;
}

/** The paths of all inputs, or at once the first input that has none: nothing can match then. */
function everyPath(paths: Promise<Set<KeyId>>[]): Promise<Set<KeyId>[] | { empty: number }> {
  const { promise, resolve, reject } = Promise.withResolvers<Set<KeyId>[] | { empty: number }>();
  paths.forEach((each, index) => {
    each.then((set) => {
      if (set.size === 0) resolve({ empty: index });
    }, reject);
  });
  Promise.all(paths).then(resolve, reject);
  return promise;
}
