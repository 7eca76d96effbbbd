/** Why a vertex was found or had to run, in words. */
import type { KeySource } from '../cache/contract.ts';
import type { Hit, Lookup } from './lookup.ts';
import type { VertexState } from './vertex.ts';

const NEW_STEP = 'no such step is cached: it is new, or its definition or an option of it has changed';

export function reasonOfHit(state: VertexState, { keys }: Hit): string {
  if (keys.content.length === 0) return 'definition';
  return `content of ${keys.content.map((input) => inputName(state, input)).join(' and ')}`;
}

/** To be asked when the lookup has found nothing. */
export function reasonOfRun(state: VertexState, lookup: Lookup, caches: readonly KeySource[]): string {
  if (state.ignoreCache) return 'the cache is not used for this step';
  if (state.knownMaps.some((map) => map.volatile === true))
    return 'never cached: its key is different each time';
  if (state.inputs.length === 0) return 'not in the local store, and caches hold no sources';
  const reasons = caches.map((source) => [source.name, missIn(state, lookup, source)] as const);
  const [first] = reasons;
  const same = first !== undefined && reasons.every(([, reason]) => reason === first[1]);
  return same ? first[1] : reasons.map(([name, reason]) => `${name}: ${reason}`).join('; ');
}

function missIn(state: VertexState, lookup: Lookup, source: KeySource): string {
  const keys = lookup.known(source);
  if (keys === undefined) return 'not asked';
  if (keys.unknown === true) return NEW_STEP;
  if (keys.ids.length > 0) return 'the step is known, but its result is not there';
  const [input] = keys.unmatched;
  if (input === undefined) return 'known only with other combinations of its inputs';
  if (keys.content.includes(input)) return `the content of ${inputName(state, input)} is new to this step`;
  const edge = state.inputs[input];
  const before = edge?.lookup.known(source);
  return before !== undefined && before.ids.length > 0
    ? `known only after another step than ${inputName(state, input)}`
    : `it follows ${inputName(state, input)}, which is not cached`;
}

function inputName(state: VertexState, input: number): string {
  return state.inputs[input]?.state.vertex.name ?? `input ${input}`;
}
