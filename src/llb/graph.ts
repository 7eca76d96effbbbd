/** The LLB graph in memory: a definition's ops as linked vertices. */
import type { Digest } from '../content/contract.ts';
import type { Op, OpMetadata } from './gen/ops_pb.js';

/** Output `index` of a vertex. */
export interface Edge {
  readonly vertex: Vertex;
  readonly index: number;
}

export interface Vertex {
  /** sha256 of the encoded op. */
  readonly digest: Digest;
  readonly op: Op;
  /** Absent fields have protobuf's defaults. */
  readonly metadata: OpMetadata;
  readonly inputs: readonly Edge[];
  /** What progress prints: the `llb.customname` description, else made from the op as BuildKit's llbsolver.llbOpName does. */
  readonly name: string;
}

/** Equal for equal edges, of one definition or of several. */
export function edgeName({ vertex, index }: Edge): string {
  return `${vertex.digest} ${index}`;
}
