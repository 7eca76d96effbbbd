/** Merge ops: layers of several inputs above each other (BuildKit v0.32.2, solver/llbsolver/ops/merge.go). */
import { CairnError } from '../errors/error.ts';
import { digestOf } from '../llb/digest.ts';
import type { MergeOp } from '../llb/gen/ops_pb.js';
import type { Snapshot, Tree } from '../snapshots/contract.ts';
import type { CacheMap, Op, OpContext } from './contract.ts';
import { goJson, omitEmpty } from './go_json.ts';
import type { OpServices } from './services.ts';

const CACHE_TYPE = 'buildkit.merge.v0';

export function createMergeOp(op: MergeOp, name: string, services: OpServices): Op {
  return {
    async cacheMap() {
      return { map: mergeCacheMap(op), done: true };
    },
    async run(inputs, context) {
      const snapshots: Snapshot[] = [];
      for (const input of inputs) {
        const snapshot = await toSnapshot(input, services, context);
        if (snapshot !== undefined) snapshots.push(snapshot);
      }
      if (snapshots.length === 0) return [undefined];
      return [await services.snapshots.merge(snapshots, { description: name })];
    },
  };
}

export function mergeCacheMap(op: MergeOp): CacheMap {
  const inputs = op.inputs.map(({ input }) => omitEmpty({ input }));
  const preimage = goJson({ Type: CACHE_TYPE, Merge: omitEmpty({ inputs }) });
  return { digest: digestOf(preimage), deps: op.inputs.map(() => ({})), preimage };
}

/** A tree as layers; the files of a local source are copied into the store for it. */
export async function toSnapshot(
  tree: Tree | undefined,
  services: OpServices,
  context: OpContext,
): Promise<Snapshot | undefined> {
  if (tree?.kind !== 'host') return tree;
  if (context.signal.aborted) throw new CairnError('canceled', { code: 'CANCELED' });
  return services.snapshots.fromHostTree(tree, context.progress);
}
