/** Writes the keys of edges into the local store: every path by which they can be reached. */
import type { InputPath, KeyId, KeySource, KeyStore, LoadedResult } from '../cache/contract.ts';
import { recordDigest } from '../cache/record.ts';
import type { Digest } from '../content/contract.ts';
import type { EdgeState, SolveContext } from './edge.ts';
import { imagesNamed, isNameKnown, namesOf, sameSource } from './images.ts';
import type { Hit } from './lookup.ts';
import type { VertexState } from './vertex.ts';

/**
 * Makes sure that the local store has the keys of an edge and of all that it was made from.
 * @returns empty when the edge has no key that will be the same in another build
 */
export async function storeKeys(edge: EdgeState, context: SolveContext): Promise<readonly KeyId[]> {
  const edges = await upstream(edge, context);
  const ensureAll = (): readonly KeyId[] => {
    for (const each of edges) ensureKeys(each, context);
    return edge.localKeys ?? [];
  };
  // A source has nothing to write, and a transaction would wait for other processes.
  return edge.state.inputs.length === 0 ? ensureAll() : context.local.batch(ensureAll);
}

/**
 * Takes over an imported result, and those of its inputs' results that are made of the same layers, so that
 * later builds need not ask the cache again.
 */
export async function storeImported(
  edge: EdgeState,
  { source, result }: Hit,
  loaded: LoadedResult,
  context: SolveContext,
): Promise<void> {
  const edges = await upstream(edge, context);
  const found: { edge: EdgeState; loaded: LoadedResult; createdAt: Date }[] = [
    { edge, loaded, createdAt: result.createdAt },
  ];
  for (const each of edges) {
    if (each === edge || each.localKeys !== undefined) continue;
    const below = resultBelow(each, source, result.layers);
    const its = below && (await source.load(below));
    if (below !== undefined && its !== undefined) {
      found.push({ edge: each, loaded: its, createdAt: below.createdAt });
    }
  }
  context.local.batch(() => {
    for (const each of edges) ensureKeys(each, context);
    for (const { edge: owner, loaded: its, createdAt } of found) {
      for (const key of owner.localKeys ?? []) context.local.addResult(key, its, createdAt);
    }
  });
}

function resultBelow(edge: EdgeState, source: KeySource, layers: readonly Digest[] | undefined) {
  if (layers === undefined) return undefined;
  const ids = edge.lookup.known(source)?.ids ?? [];
  return ids
    .flatMap((id) => source.results(id))
    .find(
      (result) =>
        result.layers !== undefined &&
        result.layers.length <= layers.length &&
        result.layers.every((layer, index) => layer === layers[index]),
    );
}

/** The edges without local keys that this one is made from, inputs first, the edge itself last. */
async function upstream(edge: EdgeState, context: SolveContext): Promise<EdgeState[]> {
  const order: EdgeState[] = [];
  const seen = new Set<EdgeState>();
  const open: { edge: EdgeState; ready: boolean }[] = [{ edge, ready: false }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next.ready) {
      order.push(next.edge);
      continue;
    }
    if (seen.has(next.edge) || (next.edge.localKeys !== undefined && next.edge !== edge)) continue;
    seen.add(next.edge);
    const { state } = next.edge;
    // Other names of a source are welcome, and not worth failing for.
    if (state.inputs.length === 0) await state.cacheMaps().catch(() => undefined);
    else await state.cacheMap();
    open.push({ edge: next.edge, ready: true });
    open.push(...state.inputs.map((input) => ({ edge: input, ready: false })));
  }
  if (order.some(({ state }) => state.inputs.length === 0)) await imagesNamed(context);
  return order;
}

/**
 * Where the content of an input led on and its definition did not, remembers the definition: the next build
 * need not look at the content.
 */
export async function connectContent(
  state: VertexState,
  output: number,
  inputs: ReadonlySet<number>,
  { local }: SolveContext,
): Promise<void> {
  const map = await state.cacheMap();
  const record = recordDigest(map.digest, output);
  const paths = state.inputs.map((input, number) => {
    const ids = new Set([...(input.localKeys ?? []), ...(input.lookup.known(local)?.ids ?? [])]);
    return pathsOf(state, number, [...ids], local);
  });
  const isNew = [...inputs].some((input) =>
    paths[input]?.some(({ key, selector }) => local.links(key, { input, record, selector }).length === 0),
  );
  if (isNew && paths.every((alternatives) => alternatives.length > 0)) {
    local.batch(() => local.ensure(record, paths));
  }
}

/**
 * The names by which an edge goes on from a source: all that it has, when it was made for that; else those that
 * caches know. An image that nobody fetched may be known only by what it consists of.
 */
export function namesSeen(edge: EdgeState, input: number, context: SolveContext): readonly Digest[] {
  const own = edge.state.inputs[input];
  if (own === undefined) return [];
  const source = sameSource(own, context);
  const needed = edge.made || edge.state.knownContent(input) !== undefined;
  return needed ? namesOf(source) : namesKnown(source, context);
}

function namesKnown(source: EdgeState, context: SolveContext): Digest[] {
  const names = namesOf(source);
  const known = names.filter((name) => isNameKnown(source, name, context));
  return known.length > 0 ? known : names;
}

function ensureKeys(edge: EdgeState, context: SolveContext): void {
  const { local } = context;
  const { state, index } = edge;
  if (state.inputs.length === 0) {
    const source = sameSource(edge, context);
    const names = edge.made ? namesOf(source) : namesKnown(source, context);
    edge.localKeys = names.map((name) => local.ensure(name, []));
    return;
  }
  const [map] = state.knownMaps.filter((each) => each.volatile !== true);
  const paths = state.inputs.map((input, number) => {
    const keys =
      input.state.inputs.length > 0
        ? input.localKeys
        : namesSeen(edge, number, context).map((name) => local.ensure(name, []));
    return pathsOf(state, number, keys ?? [], local);
  });
  const reachable = map !== undefined && paths.every((alternatives) => alternatives.length > 0);
  edge.localKeys = reachable ? [local.ensure(recordDigest(map.digest, index), paths)] : [];
}

/** Every path from one input: from its keys by definition, and from its content. */
function pathsOf(state: VertexState, input: number, keys: readonly KeyId[], local: KeyStore): InputPath[] {
  const selector = state.knownMaps[0]?.deps[input]?.selector ?? '';
  const content = state.knownContent(input);
  return [
    ...keys.map((key): InputPath => ({ key, selector })),
    ...(content === undefined ? [] : [{ key: local.ensure(content, []), selector: '' } as const]),
  ];
}
