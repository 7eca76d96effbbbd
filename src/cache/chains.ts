/**
 * Records in memory, of an imported cache or of one that is being exported, and how they merge: the rules of
 * BuildKit's cache/remotecache/v1 (CacheChains, v0.32.2), in an order that does not depend on chance.
 */
import type { Digest } from '../content/contract.ts';

export interface ChainResult {
  createdAt: Date;
  /** Equal for results of equal layers. */
  id: string;
}

/** A record, reached from other records. */
export class ChainRecord<Result extends ChainResult> {
  readonly digest: Digest;
  /** For each input, the records that lead here, each with the selectors by which it does. */
  readonly inputs: Map<ChainRecord<Result>, Set<string>>[] = [];
  /** What it leads to, by {@link linkName}. */
  readonly children = new Map<string, Set<ChainRecord<Result>>>();
  readonly results: Result[] = [];
  /** Names of {@link results}. */
  readonly resultNames = new Set<string>();
  /** The record that this one was found to be the same as: it took over everything. */
  same: ChainRecord<Result> | undefined;

  constructor(digest: Digest) {
    this.digest = digest;
  }

  /** The result that is written: the newest. */
  get result(): Result | undefined {
    return this.results.reduce<Result | undefined>(
      (best, result) => (best === undefined || result.createdAt > best.createdAt ? result : best),
      undefined,
    );
  }
}

export interface ChainLink<Result extends ChainResult> {
  from: ChainRecord<Result>;
  selector: string;
}

export class Chains<Result extends ChainResult> {
  readonly #roots = new Map<Digest, ChainRecord<Result>>();
  readonly #keepLoops: boolean;

  /**
   * `keepLoops`: links that close a loop are added, too, for records that are only asked and never written.
   * Looking for loops takes a walk through all that a record leads to.
   */
  constructor(options: { keepLoops?: boolean } = {}) {
    this.#keepLoops = options.keepLoops ?? false;
  }

  /**
   * Adds a record, or results and links to one that is there: a record is the same as another when it has the
   * same digest and each input shares a link with the other's.
   *
   * @param given for each input the alternatives; none of the lists may be empty
   */
  add(
    digest: Digest,
    given: readonly (readonly ChainLink<Result>[])[],
    results: readonly Result[],
  ): ChainRecord<Result> {
    const inputs = given.map((links) =>
      links.map(({ from, selector }) => ({ from: current(from), selector })),
    );
    if (inputs.length === 0) {
      let root = this.#roots.get(digest);
      if (root === undefined) this.#roots.set(digest, (root = new ChainRecord<Result>(digest)));
      addResults(root, results);
      return root;
    }
    const [same = new ChainRecord<Result>(digest), ...others] = matching(digest, inputs);
    for (const other of others) (this.#keepLoops ? unite : takeOver)(same, other);
    addResults(same, results);
    // A record must not become an input of itself.
    const below = same.children.size === 0 || this.#keepLoops ? new Set([same]) : reachable(same);
    inputs.forEach((links, input) => {
      for (const { from, selector } of links) if (!below.has(from)) link(from, same, input, selector);
    });
    return same;
  }

  /** Adds a link between records that are there. */
  link(from: ChainRecord<Result>, to: ChainRecord<Result>, input: number, selector: string): void {
    link(current(from), current(to), input, selector);
  }

  /**
   * Records that are written, with all that leads to them: those that lead to nothing. One that another took over
   * everything from, and that nothing was linked to since, is none of them.
   */
  ends(): ChainRecord<Result>[] {
    const records = [...this.records()];
    return this.#keepLoops ? records : records.filter(({ children }) => children.size === 0);
  }

  /** Every record. */
  records(): Set<ChainRecord<Result>> {
    const seen = new Set<ChainRecord<Result>>();
    for (const root of this.#roots.values()) for (const record of reachable(root)) seen.add(record);
    return seen;
  }
}

/** Name of a link among those that lead from one record. */
export function linkName(input: number, digest: Digest, selector: string): string {
  return `${input} ${digest} ${selector}`;
}

/**
 * Records of this digest to which every input leads. The input from which fewest lead on decides what is looked at:
 * thousands of records of one digest may follow from another input, as from one base image.
 */
function matching<Result extends ChainResult>(
  digest: Digest,
  inputs: readonly (readonly ChainLink<Result>[])[],
): ChainRecord<Result>[] {
  const reached = inputs.map((links, input) =>
    links
      .map(({ from, selector }) => from.children.get(linkName(input, digest, selector)))
      .filter((records) => records !== undefined),
  );
  const [fewest = [], ...others] = reached.toSorted((a, b) => countOf(a) - countOf(b));
  const candidates = new Set<ChainRecord<Result>>();
  for (const records of fewest) for (const record of records) candidates.add(record);
  const matches = [...candidates].filter((record) =>
    others.every((sets) => sets.some((set) => set.has(record))),
  );
  if (matches.length < 2) return matches;
  // The first way of the first input decides which of them stays.
  const order = (reached[0] ?? []).flatMap((records) => [...records]);
  return matches.toSorted((a, b) => order.indexOf(a) - order.indexOf(b));
}

function countOf(sets: readonly ReadonlySet<unknown>[]): number {
  return sets.reduce((sum, { size }) => sum + size, 0);
}

function link<Result extends ChainResult>(
  from: ChainRecord<Result>,
  to: ChainRecord<Result>,
  input: number,
  selector: string,
): void {
  const name = linkName(input, to.digest, selector);
  const children = from.children.get(name) ?? new Set();
  // A link that was taken over stays with the record that took it.
  if (children.has(to)) return;
  from.children.set(name, children.add(to));
  while (to.inputs.length <= input) to.inputs.push(new Map());
  to.inputs[input]?.set(from, (to.inputs[input].get(from) ?? new Set()).add(selector));
}

/** The record that stands for this one now. */
function current<Result extends ChainResult>(record: ChainRecord<Result>): ChainRecord<Result> {
  let found = record;
  while (found.same !== undefined) found = found.same;
  return found;
}

/**
 * What BuildKit's export does with one of several records that are the same: what it leads to follows from `main`
 * instead, which may come to lead to itself; what leads to it does not lead to `main`.
 */
function takeOver<Result extends ChainResult>(main: ChainRecord<Result>, other: ChainRecord<Result>): void {
  moveChildren(main, other);
  addResults(main, other.results);
}

/** Moves everything of `other` to `main`. */
function unite<Result extends ChainResult>(main: ChainRecord<Result>, other: ChainRecord<Result>): void {
  other.inputs.forEach((sources, input) => {
    for (const [from, selectors] of sources) {
      for (const selector of selectors) {
        from.children.get(linkName(input, other.digest, selector))?.delete(other);
        link(from, main, input, selector);
      }
    }
  });
  moveChildren(main, other);
  addResults(main, other.results);
  other.same = main;
}

function moveChildren<Result extends ChainResult>(
  main: ChainRecord<Result>,
  other: ChainRecord<Result>,
): void {
  for (const [name, children] of other.children) {
    const moved = main.children.get(name) ?? new Set();
    for (const child of children) {
      moved.add(child);
      for (const sources of child.inputs) {
        const selectors = sources.get(other);
        if (selectors === undefined) continue;
        sources.delete(other);
        sources.set(main, (sources.get(main) ?? new Set<string>()).union(selectors));
      }
    }
    main.children.set(name, moved);
  }
}

function addResults<Result extends ChainResult>(
  record: ChainRecord<Result>,
  results: readonly Result[],
): void {
  for (const result of results) {
    const name = `${result.createdAt.getTime()} ${result.id}`;
    if (record.resultNames.has(name)) continue;
    record.resultNames.add(name);
    record.results.push(result);
  }
}

/** A record and all that it leads to. */
function reachable<Result extends ChainResult>(start: ChainRecord<Result>): Set<ChainRecord<Result>> {
  const seen = new Set([start]);
  for (const record of seen) {
    for (const children of record.children.values()) for (const child of children) seen.add(child);
  }
  return seen;
}
