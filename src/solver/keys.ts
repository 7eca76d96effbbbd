/** Writes the keys of edges into the local store: every path by which they can be reached. */
import type { InputPath, KeyId, KeySource, LoadedResult } from '../cache/contract.ts';
import { recordDigest } from '../cache/record.ts';
import type { Digest } from '../content/contract.ts';
import type { EdgeState, SolveContext } from './edge.ts';
import type { Hit } from './lookup.ts';

/**
 * Makes sure that the local store has the keys of an edge and of all that it was made from.
 * @returns empty when the edge has no key that will be the same in another build
 */
export async function storeKeys(edge: EdgeState, context: SolveContext): Promise<readonly KeyId[]> {
  const edges = await upstream(edge);
  return context.local.batch(() => {
    for (const each of edges) ensureKeys(each, context);
    return edge.localKeys ?? [];
  });
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
  const edges = await upstream(edge);
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
async function upstream(edge: EdgeState): Promise<EdgeState[]> {
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
    if (state.inputs.length === 0) await state.cacheMaps();
    else await state.cacheMap();
    open.push({ edge: next.edge, ready: true });
    open.push(...state.inputs.map((input) => ({ edge: input, ready: false })));
  }
  return order;
}

function ensureKeys(edge: EdgeState, { local }: SolveContext): void {
  const { state, index } = edge;
  const maps = state.knownMaps.filter((map) => map.volatile !== true);
  if (state.inputs.length === 0) {
    edge.localKeys = maps.map((map) => local.ensure(recordDigest(map.digest, index), []));
    return;
  }
  const map = maps[0];
  const paths = state.inputs.map((input, number): InputPath[] => {
    const content = state.knownContent(number);
    const selector = map?.deps[number]?.selector ?? '';
    return [
      ...(input.localKeys ?? []).map((key): InputPath => ({ key, selector })),
      ...(content === undefined ? [] : [{ key: local.ensure(content, []), selector: '' } as const]),
    ];
  });
  const reachable = map !== undefined && paths.every((alternatives) => alternatives.length > 0);
  edge.localKeys = reachable ? [local.ensure(recordDigest(map.digest, index), paths)] : [];
}
