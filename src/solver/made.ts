/**
 * What follows once the inputs of an edge were made: the keys that they were made under lead on in every cache
 * (BuildKit solver/edge.go and cachemanager.go, v0.32.2).
 */
import type { KeyId, KeyLink, KeySource } from '../cache/contract.ts';
import { recordDigest } from '../cache/record.ts';
import type { EdgeState, SolveContext } from './edge.ts';
import { namesSeen } from './keys.ts';
import type { Hit } from './lookup.ts';

/**
 * A result that is found only now that the inputs are there: what was made in this build meanwhile has its content,
 * or it follows a step that no cache was asked for and that is known all the same. What follows such a step at once
 * is made again, what follows after that is found: so BuildKit does it.
 */
export function foundLate(edge: EdgeState, context: SolveContext): Hit | undefined {
  const { state, index, lookup } = edge;
  const [map] = state.knownMaps;
  if (state.ignoreCache || map === undefined || state.inputs.length === 0) return undefined;
  const record = recordDigest(map.digest, index);
  for (const source of context.caches) {
    const targets = state.inputs.map((from, input) => {
      const found = new Set<KeyId>();
      const content = state.knownContent(input);
      if (content !== undefined) follow(source, source.root(content), { input, record, selector: '' }, found);
      // By its definition a step that ignores caches leads to nothing.
      const keys = from.state.ignoreCache ? [] : keysOf(edge, input, source, context);
      const selector = map.deps[input]?.selector ?? '';
      for (const key of keys) follow(source, key, { input, record, selector }, found);
      return found;
    });
    const ids = targets.reduce((left, right) => left.intersection(right));
    const hit = ids.size === 0 ? undefined : lookup.addLate(source, [...ids]);
    if (hit !== undefined) return hit;
  }
  return undefined;
}

function follow(source: KeySource, from: KeyId | undefined, link: KeyLink, to: Set<KeyId>): void {
  if (from !== undefined) for (const id of source.links(from, link)) to.add(id);
}

/** The keys by which an edge goes on from an input that has a result; undefined stands for one that is not known. */
function keysOf(
  edge: EdgeState,
  input: number,
  source: KeySource,
  context: SolveContext,
): (KeyId | undefined)[] {
  const from = edge.state.inputs[input];
  if (from === undefined) return [];
  if (from.state.inputs.length === 0) return namesSeen(edge, input, context).map((name) => source.root(name));
  const known = from.lookup.known(source)?.ids ?? [];
  if (source === context.local) return [...new Set([...known, ...(from.localKeys ?? [])])];
  return from.wasFound ? [...known] : [...known, keyMade(from, source, context)];
}

/**
 * The key in `source` of an edge that was made: where the keys that it was made under lead, if anywhere. Of the
 * first input any of them may lead there, of the others all must.
 */
function keyMade(edge: EdgeState, source: KeySource, context: SolveContext): KeyId | undefined {
  if (!edge.keysMade.has(source)) edge.keysMade.set(source, computeKeyMade(edge, source, context));
  return edge.keysMade.get(source);
}

function computeKeyMade(edge: EdgeState, source: KeySource, context: SolveContext): KeyId | undefined {
  const { state, index } = edge;
  const [map] = state.knownMaps;
  if (map === undefined) return undefined;
  const record = recordDigest(map.digest, index);
  let matches = new Set<KeyId>();
  for (const [input, from] of state.inputs.entries()) {
    const selector = map.deps[input]?.selector ?? '';
    const ways: [KeyId | undefined, KeyLink][] = madeUnder(edge, input, source, context).map((key) => [
      key,
      { input, record, selector },
    ]);
    const content = state.knownContent(input);
    if (content !== undefined) ways.push([source.root(content), { input, record, selector: '' }]);
    if (from.state.knownMaps.some((each) => each.volatile === true))
      ways.push([undefined, { input, record, selector }]);
    for (const [key, link] of ways) {
      const targets = new Set<KeyId>();
      follow(source, key, link, targets);
      matches = input === 0 ? matches.union(targets) : matches.intersection(targets);
    }
    if (matches.size === 0) return undefined;
  }
  return [...matches].toSorted()[0];
}

/** As {@link keysOf}, of the result of the input only: one that was made has one key. */
function madeUnder(
  edge: EdgeState,
  input: number,
  source: KeySource,
  context: SolveContext,
): (KeyId | undefined)[] {
  const from = edge.state.inputs[input];
  if (from === undefined || from.wasFound || from.state.inputs.length === 0)
    return keysOf(edge, input, source, context);
  return [keyMade(from, source, context)];
}
