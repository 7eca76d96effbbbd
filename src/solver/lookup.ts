/** Which keys an edge has in each cache, and which result they lead to: the rule of README.md. */
import type { KeyId, KeyLink, KeyResult, KeySource } from '../cache/contract.ts';
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
 * 1: also the content of inputs that have no key by definition in any cache, as local directories.
 * 2: also the content of inputs that no definition-based key leads from in the cache that is asked.
 * 3: also the content of every other input that can be keyed so, and what other caches say to be equal.
 */
export type Effort = 0 | 1 | 2 | 3;
/** The most that makes no input. */
export const UNFORCED: Effort = 1;
const FORCED: Effort = 2;
export const MOST: Effort = 3;

/** What is known of an edge in one cache. */
export interface Keys {
  readonly ids: readonly KeyId[];
  /** More effort would find nothing more. */
  readonly final: boolean;
  /** Inputs from which nothing leads on, when that is why there are no keys. */
  readonly unmatched: readonly number[];
  /** Inputs whose content was asked for. */
  readonly content: readonly number[];
  /** The cache has no such record, whatever its inputs. */
  readonly unknown?: boolean;
}

/** What is asked of one cache. */
interface Query {
  map: CacheMap;
  record: Digest;
  effort: Effort;
  source: KeySource;
  /** The edge has a result, and it is only asked what follows from it. */
  atHand: boolean;
  /** Inputs whose content was asked for. */
  content: Set<number>;
}

interface KeyLinkFromRoot {
  root: Digest;
  link: KeyLink;
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

  /** Adds keys that were learnt when the inputs had been made; @returns what they lead to */
  addLate(source: KeySource, ids: readonly KeyId[]): Hit | undefined {
    const { unknown: _, ...earlier } = this.#settled.get(source) ?? NOTHING;
    const keys = { ...earlier, ids: [...new Set([...earlier.ids, ...ids])].toSorted(), unmatched: [] };
    this.#settled.set(source, keys);
    return this.#newest(source, keys);
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
      const hit = this.#newest(source, await this.keys(effort, source));
      if (hit !== undefined) return hit;
    }
    return undefined;
  }

  #newest(source: KeySource, keys: Keys): Hit | undefined {
    const hits = keys.ids.flatMap((key) =>
      source
        .results(key)
        .filter((result) => !this.#lost.has(`${source.name} ${result.id}`))
        .map((result) => ({ source, key, result, keys })),
    );
    if (hits.length === 0) return undefined;
    return hits.reduce((best, hit) => (hit.result.createdAt > best.result.createdAt ? hit : best));
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
    const map = await vertex.cacheMap();
    if (map.volatile === true) return NOTHING;
    const record = recordDigest(map.digest, this.#output);
    let atHand = false;
    if (effort > 0) {
      const earlier = await this.keys(less(effort), source);
      if (earlier.final) return earlier;
      // With a result at hand nothing is forced to learn yet another name for it.
      atHand = (await this.found(less(effort))) !== undefined;
      if (atHand && effort < MOST) return earlier;
      if (!(await this.#isKnown(record, effort, source))) return { ...NOTHING, unknown: true };
    }
    const query: Query = { map, record, effort, source, atHand, content: new Set() };
    const heard = effort === MOST ? await this.#hearsay(source) : [];
    const paths = await everyPath(vertex.inputs.map((_, input) => this.#paths(input, query, heard)));
    const content = [...query.content];
    if (!Array.isArray(paths)) {
      return { ids: [], final: effort >= FORCED, unmatched: [paths.empty], content };
    }
    const ids = [...paths.reduce((left, right) => left.intersection(right))].toSorted();
    if (ids.length > 0 && content.length > 0 && source === this.#context.local) {
      await connectContent(vertex, this.#output, query.content, this.#context);
    }
    return { ids, final: effort === MOST, unmatched: [], content };
  }

  /** False when the source has no such record, whatever may lead to it. */
  async #isKnown(record: Digest, effort: Effort, source: KeySource): Promise<boolean> {
    if (effort < FORCED && source.ready !== undefined) return true;
    await source.ready?.();
    return source.has(record);
  }

  /**
   * Roots that lead to this edge in other caches: what those say to be equal need not be computed to be asked
   * for in `source`.
   */
  async #hearsay(source: KeySource): Promise<KeyLinkFromRoot[]> {
    const heard: KeyLinkFromRoot[] = [];
    for (const other of this.#context.caches) {
      if (other === source) continue;
      const { ids } = await this.keys(less(MOST), other);
      for (const { from, link } of ids.flatMap((id) => other.backlinks(id))) {
        const root = other.rootRecord(from);
        if (root !== undefined) heard.push({ root, link });
      }
    }
    return heard;
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
  async #paths(input: number, query: Query, heard: readonly KeyLinkFromRoot[]): Promise<Set<KeyId>> {
    const { map, record, effort, source } = query;
    const { contentDigest, selector = '' } = map.deps[input] ?? {};
    const edge = this.#vertex.inputs[input];
    const paths = new Set<KeyId>();
    const follow = (from: KeyId | undefined, link: KeyLink): void => {
      if (from !== undefined) for (const id of source.links(from, link)) paths.add(id);
    };
    const byDefinition = async (spent: Effort): Promise<void> => {
      const keys = await edge?.lookup.keys(spent, source);
      // An edge that was decided meanwhile has keys that it had not when it was looked up.
      const decided = source === this.#context.local && edge?.state.ignoreCache === false;
      const ids = new Set([...(keys?.ids ?? []), ...((decided && edge.localKeys) || [])]);
      for (const from of ids) follow(from, { input, record, selector });
    };
    await byDefinition(effort);
    for (const { root, link } of heard) {
      if (link.input === input && link.record === record) follow(source.root(root), link);
    }
    const wanted =
      (effort === MOST && !query.atHand) ||
      (effort === FORCED && paths.size === 0) ||
      (effort > 0 && edge !== undefined && !(await edge.state.isNamed()));
    if (contentDigest !== undefined && wanted) {
      query.content.add(input);
      const key = await this.#vertex.contentRecord(input, contentDigest);
      await source.ready?.();
      follow(source.root(key), { input, record, selector: '' });
    }
    if (effort === FORCED && paths.size === 0) await byDefinition(MOST);
    return paths;
  }
}

function less(effort: Effort): Effort {
  return effort === 3 ? 2 : effort === 2 ? 1 : 0;
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
