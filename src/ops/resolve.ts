/** From a vertex to what the solver runs. What runs steps is loaded when the first one really runs. */
import { CairnError } from '../errors/error.ts';
import { hostPlatform } from '../llb/platform.ts';
import type { Vertex } from '../llb/graph.ts';
import type { ExecOp, FileOp } from '../llb/gen/ops_pb.js';
import type { Op, OpResolver } from './contract.ts';
import { createDiffOp } from './diff.ts';
import { execCacheMap } from './exec/cache_map.ts';
import { fileCacheMap } from './file/cache_map.ts';
import { guardHostInputs } from './host_inputs.ts';
import { createMergeOp } from './merge.ts';
import type { OpServices } from './services.ts';
import { createSourceOp } from './source.ts';

/** The resolver that a build hands to the solver. */
export function createOpResolver(services: OpServices): OpResolver {
  return (vertex) => {
    const { op } = vertex.op;
    switch (op.case) {
      case 'source':
        return createSourceOp(op.value, vertex.op.platform, services);
      case 'exec':
        return guardHostInputs(createExecOp(vertex, op.value, services));
      case 'file':
        return guardHostInputs(createFileOp(vertex, op.value, services));
      case 'merge':
        return createMergeOp(op.value, vertex.name, services);
      case 'diff':
        return createDiffOp(op.value, vertex.name, services);
      default:
        throw new CairnError(`${vertex.name}: ${op.case ?? 'unknown'} ops are not supported`, {
          code: 'UNSUPPORTED',
          hint: 'Supported are source, exec, file, merge and diff ops.',
        });
    }
  };
}

function createExecOp(vertex: Vertex, op: ExecOp, services: OpServices): Op {
  const { execSlot } = services;
  return {
    async cacheMap() {
      const platform = vertex.op.platform ?? hostPlatform();
      return { map: execCacheMap(op, platform, vertex.inputs.length, services.contentHasher), done: true };
    },
    warm() {
      // What fails here fails again in run(), which tells.
      services.executor().then(
        (executor) => executor.warm(),
        () => {},
      );
    },
    async run(inputs, context) {
      const { runExec } = await import('./exec/run.ts');
      return runExec(vertex, op, inputs, services, context);
    },
    ...(execSlot === undefined ? {} : { acquire: execSlot }),
  };
}

function createFileOp(vertex: Vertex, op: FileOp, services: OpServices): Op {
  return {
    async cacheMap() {
      return { map: fileCacheMap(op, vertex.inputs.length, services.contentHasher), done: true };
    },
    async run(inputs, context) {
      const { runFile } = await import('./file/run.ts');
      return runFile(vertex, op, inputs, services, context);
    },
  };
}
