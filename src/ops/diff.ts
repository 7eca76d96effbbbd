/** Diff ops: what turns one input into another (BuildKit v0.32.2, solver/llbsolver/ops/diff.go). */
import { digestOf } from '../llb/digest.ts';
import type { DiffOp } from '../llb/gen/ops_pb.js';
import type { CacheMap, Op } from './contract.ts';
import { goJson, omitEmpty, type GoValue } from './go_json.ts';
import { toSnapshot } from './merge.ts';
import type { OpServices } from './services.ts';

const CACHE_TYPE = 'buildkit.diff.v0';

/** An input that is scratch. */
const EMPTY = -1n;

export function createDiffOp(op: DiffOp, name: string, services: OpServices): Op {
  return {
    async cacheMap() {
      return { map: diffCacheMap(op), done: true };
    },
    async run(inputs, context) {
      const given = [...inputs];
      const lower =
        op.lower?.input === EMPTY ? undefined : await toSnapshot(given.shift(), services, context);
      const upper =
        op.upper?.input === EMPTY ? undefined : await toSnapshot(given.shift(), services, context);
      if (lower === undefined) return [upper];
      if (upper?.id === lower.id) return [undefined];
      return [await services.snapshots.diff(lower, upper, { description: name })];
    },
  };
}

export function diffCacheMap(op: DiffOp): CacheMap {
  const side = (input: { input: bigint } | undefined): GoValue | undefined =>
    input && omitEmpty({ input: input.input });
  const preimage = goJson({
    Type: CACHE_TYPE,
    Diff: omitEmpty({ lower: side(op.lower), upper: side(op.upper) }),
  });
  const inputs = [op.lower, op.upper].filter((input) => input?.input !== EMPTY);
  return { digest: digestOf(preimage), deps: inputs.map(() => ({})), preimage };
}
