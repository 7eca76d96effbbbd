/** Runs an exec op: mounts from its inputs, the process, outputs as snapshots. */
import { CairnError } from '../../errors/error.ts';
import type { Vertex } from '../../llb/graph.ts';
import type { ExecOp } from '../../llb/gen/ops_pb.js';
import type { Tree } from '../../snapshots/contract.ts';
import type { OpContext } from '../contract.ts';
import type { OpServices } from '../services.ts';

/**
 * @param inputs in the order of the vertex's inputs; undefined: scratch
 * @returns one tree per output, in the order of the outputs' numbers
 */
export function runExec(
  vertex: Vertex,
  _op: ExecOp,
  _inputs: readonly (Tree | undefined)[],
  _services: OpServices,
  _context: OpContext,
): Promise<(Tree | undefined)[]> {
  return Promise.reject(new CairnError(`${vertex.name}: steps do not run yet`, { code: 'UNSUPPORTED' }));
}
