/**
 * A marshalled definition parsed into linked vertices, with the checks and changes that BuildKit v0.32.2
 * makes while it loads LLB (package solver/llbsolver, vertex.go; ops/opsutils).
 */
import { create, fromBinary } from '@bufbuild/protobuf';
import type { Digest } from '../content/contract.ts';
import { CairnError, messageOf } from '../errors/error.ts';
import { digestOf } from './digest.ts';
import { OpMetadataSchema, OpSchema } from './gen/ops_pb.js';
import type { Definition, Op, OpMetadata } from './gen/ops_pb.js';
import type { Edge, Vertex } from './graph.ts';
import { hostPlatform, normalizePlatform } from './platform.ts';
import { validateOp } from './validate.ts';
import { vertexName } from './vertex_name.ts';

/** Ops that one definition may hold; a definition is memory that a client asks us to spend. */
const MAX_OPS = 100_000;

interface ParsedOp {
  digest: Digest;
  op: Op;
  metadata: OpMetadata;
}

/**
 * Parses a definition and returns the edge that it asks for; undefined for the empty definition, which is
 * scratch. Ops without a platform get this machine's, and every platform is normalised, as in
 * NormalizeRuntimePlatforms; digests stay those of the bytes.
 * @throws CairnError SOLVE when bytes do not parse, an index points nowhere, an input is missing or the ops
 *   form a loop
 */
export function loadDefinition(definition: Definition): Edge | undefined {
  if (definition.def.length === 0) return undefined;
  if (definition.def.length > MAX_OPS) {
    throw invalid(`definition has ${definition.def.length} ops, more than the ${MAX_OPS} allowed`);
  }
  const ops = new Map<string, ParsedOp>();
  let last: ParsedOp | undefined;
  for (const bytes of definition.def) {
    last = parseOp(bytes, definition);
    ops.set(last.digest, last);
  }
  if (last === undefined || ops.size < 2) throw invalid(`invalid LLB with ${ops.size} vertexes`);
  const [result] = last.op.inputs;
  if (result === undefined) throw invalid('invalid LLB with no inputs on last vertex');
  ops.delete(last.digest);
  const vertices = link(ops, result.digest);
  return edgeTo(vertices, result.digest, result.index, 'the result');
}

/** Parsed from bytes, e.g. of a file that `buildctl` wrote. */
function parseOp(bytes: Uint8Array, definition: Definition): ParsedOp {
  let op: Op;
  try {
    op = fromBinary(OpSchema, bytes);
  } catch (error) {
    throw new CairnError(`failed to parse llb proto op: ${messageOf(error)}`, {
      code: 'SOLVE',
      cause: error,
    });
  }
  for (const [i, input] of op.inputs.entries()) {
    if (input.index < 0n) throw invalid(`invalid input ${i} output index ${input.index}`);
  }
  op.platform = normalizePlatform(op.platform ?? hostPlatform());
  const digest = digestOf(bytes);
  return { digest, op, metadata: definition.metadata[digest] ?? create(OpMetadataSchema) };
}

/** Builds vertices from the leaves up, with a stack of its own: chains of thousands of steps are ordinary. */
function link(ops: ReadonlyMap<string, ParsedOp>, root: string): Map<string, Vertex> {
  const done = new Map<string, Vertex>();
  const open = new Set<string>();
  const stack = [root];
  for (let digest = stack.at(-1); digest !== undefined; digest = stack.at(-1)) {
    if (done.has(digest)) {
      stack.pop();
      continue;
    }
    const parsed = ops.get(digest);
    if (parsed === undefined) throw invalid(`invalid missing input digest ${digest}`);
    const missing = parsed.op.inputs.map((input) => input.digest).filter((input) => !done.has(input));
    if (missing.length > 0) {
      if (open.has(digest)) throw invalid(`the inputs of op ${digest} form a loop`);
      open.add(digest);
      stack.push(...missing.reverse());
      continue;
    }
    done.set(digest, makeVertex(parsed, done));
    stack.pop();
  }
  return done;
}

function makeVertex({ digest, op, metadata }: ParsedOp, vertices: ReadonlyMap<string, Vertex>): Vertex {
  const inputs = op.inputs.map((input, i) =>
    edgeTo(vertices, input.digest, input.index, `input ${i} of op ${digest}`),
  );
  validateOp(op);
  const name = metadata.description['llb.customname'] ?? vertexName(op, inputs);
  return { digest, op, metadata, inputs, name };
}

function edgeTo(vertices: ReadonlyMap<string, Vertex>, digest: string, index: bigint, what: string): Edge {
  const vertex = vertices.get(digest);
  if (vertex === undefined) throw invalid(`invalid missing input digest ${digest}`);
  if (index >= BigInt(outputCount(vertex.op))) {
    throw invalid(`${what} is output ${index} of ${vertex.name}, which has ${outputCount(vertex.op)}`);
  }
  return { vertex, index: Number(index) };
}

/** How many results an op has. */
export function outputCount(op: Op): number {
  switch (op.op.case) {
    case 'exec':
      return op.op.value.mounts.filter((mount) => mount.output >= 0n).length;
    case 'file':
      return op.op.value.actions.filter((action) => action.output >= 0n).length;
    case 'passthrough':
      return op.op.value.outputs.length;
    default:
      return 1;
  }
}

function invalid(message: string): CairnError {
  return new CairnError(message, { code: 'SOLVE' });
}
