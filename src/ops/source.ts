/** Source ops: what a source resolves to is its key (BuildKit v0.32.2, solver/llbsolver/ops/source.go). */
import { digestOf } from '../llb/digest.ts';
import type { Platform, SourceOp } from '../llb/gen/ops_pb.js';
import type { Source } from '../sources/contract.ts';
import type { CacheMap, Op, OpContext } from './contract.ts';
import type { OpServices } from './services.ts';

const CACHE_TYPE = 'buildkit.source.v0';

export function createSourceOp(op: SourceOp, platform: Platform | undefined, services: OpServices): Op {
  let source: Source | undefined;
  const resolved = (): Source => (source ??= services.sources(op.identifier, op.attrs, platform));
  return {
    async cacheMap(index: number, context: OpContext) {
      const { key, done, volatile } = await resolved().key(index, context);
      return { map: sourceCacheMap(key, volatile === true), done };
    },
    async run(_inputs, context) {
      return [await resolved().snapshot(context)];
    },
  };
}

/** The cache map of a source's key string; volatile ones get a digest that no record can have. */
export function sourceCacheMap(key: string, volatile: boolean): CacheMap {
  const preimage = `${CACHE_TYPE}:${key}`;
  const digest = digestOf(preimage);
  if (!volatile) return { digest, deps: [], preimage };
  return { digest: `random:${digest.slice('sha256:'.length)}`, deps: [], volatile, preimage };
}
