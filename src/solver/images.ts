/**
 * Images whose layers are equal are one source, as in BuildKit: what is made of any of them leads on by the names of
 * the first (merged edges: solver/scheduler.go and index.go, v0.32.2).
 */
import { recordDigest } from '../cache/record.ts';
import type { Digest } from '../content/contract.ts';
import type { EdgeState, SolveContext } from './edge.ts';
import type { VertexState } from './vertex.ts';

/** What images are compared by is known then, of those that were asked for a name so far. */
export async function imagesNamed(context: SolveContext): Promise<void> {
  const asked = context.sources().filter(({ state }) => isImage(state) && state.isAsked);
  // One image has nobody to be equal to.
  if (asked.length < 2) return;
  const ask = async (image: EdgeState): Promise<void> => {
    // One that fails is told of when it is needed.
    await image.state.cacheMap().catch(() => undefined);
    if (goesByAllNames(image, context)) await image.state.cacheMaps().catch(() => undefined);
    for (const name of namesOf(image)) isNameKnown(image, name, context);
  };
  await Promise.all(asked.map(ask));
}

/**
 * The source whose names stand for those of `source`: one whose first name no cache knew, as that was asked for more
 * names at once, and of those the one nearest to the end of the build.
 */
export function sameSource(source: EdgeState, context: SolveContext): EdgeState {
  const layers = layersName(source, context);
  if (layers === undefined) return source;
  const same = context.sources().filter((other) => layersName(other, context) === layers);
  return same.find((other) => isFirstKnown(other, context) === false) ?? same[0] ?? source;
}

/** The last name of an image, which its layers alone make. */
function layersName(source: EdgeState, context: SolveContext): string | undefined {
  const { state } = source;
  if (!isImage(state) || !goesByAllNames(source, context)) return undefined;
  return state.knownMaps.at(-1)?.digest;
}

/** Whether anybody asked for more than the first name: no cache knew that one, or the files are needed. */
function goesByAllNames(source: EdgeState, context: SolveContext): boolean {
  return source.made || isFirstKnown(source, context) === false;
}

function isFirstKnown(source: EdgeState, context: SolveContext): boolean | undefined {
  const [first] = namesOf(source);
  return first === undefined ? undefined : isNameKnown(source, first, context);
}

/** All names of an edge that were computed so far. */
export function namesOf({ state, index }: EdgeState): Digest[] {
  return state.knownMaps.filter((map) => map.volatile !== true).map((map) => recordDigest(map.digest, index));
}

/** Whether a cache knew this name of a source when that was first asked: what this build writes was not there then. */
export function isNameKnown(source: EdgeState, name: Digest, { caches, local }: SolveContext): boolean {
  const told = source.namesKnown.get(name);
  if (told !== undefined) return told;
  const isKnown = caches.some((cache) => {
    const key = cache.root(name);
    return key !== undefined && (cache !== local || (!source.made && local.mentions(key)));
  });
  source.namesKnown.set(name, isKnown);
  return isKnown;
}

function isImage({ vertex: { op } }: VertexState): boolean {
  return op.op.case === 'source' && /^(docker-image|oci-layout):\/\//.test(op.op.value.identifier);
}
