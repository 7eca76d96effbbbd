/** Runs a file op: its actions one after the other on writable layers, in jobs. */
import { CairnError } from '../../errors/error.ts';
import type { Vertex } from '../../llb/graph.ts';
import type { FileOp } from '../../llb/gen/ops_pb.js';
import type { Tree } from '../../snapshots/contract.ts';
import type { OpContext } from '../contract.ts';
import type { OpServices } from '../services.ts';

export function runFile(
  vertex: Vertex,
  _op: FileOp,
  _inputs: readonly (Tree | undefined)[],
  _services: OpServices,
  _context: OpContext,
): Promise<(Tree | undefined)[]> {
  return Promise.reject(new CairnError(`${vertex.name}: file ops do not run yet`, { code: 'UNSUPPORTED' }));
}
