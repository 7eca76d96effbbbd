/** Merge and diff ops (BuildKit v0.32.2, client/llb, merge.go and diff.go). */
import { create } from '@bufbuild/protobuf';
import { DiffOpSchema, MergeOpSchema, OpSchema } from '../gen/ops_pb.js';
import type { Input } from '../gen/ops_pb.js';
import { CAP } from './caps.ts';
import { metadataOf, type OpOptions } from './constraints.ts';
import { State } from './state.ts';
import type { BuilderVertex, EncodeContext, EncodedOp, Output } from './vertex.ts';

/** Lays states over each other, the last on top; scratch ones do not count, and one alone is itself. */
export function merge(states: readonly State[], options: OpOptions = {}): State {
  const [first, ...rest] = states.filter((state) => state.output !== undefined);
  if (first === undefined) return State.scratch();
  if (rest.length === 0) return first;
  const outputs = [first, ...rest].flatMap(({ output }) => (output === undefined ? [] : [output]));
  return first.withOutput({ vertex: new MergeVertex(outputs, options), index: 0 });
}

/** What `upper` changes in `lower`. */
export function diff(lower: State, upper: State, options: OpOptions = {}): State {
  if (lower.output === undefined) return upper.output === undefined ? State.scratch() : upper;
  return lower.withOutput({ vertex: new DiffVertex(lower.output, upper.output, options), index: 0 });
}

class MergeVertex implements BuilderVertex {
  readonly #inputs: readonly Output[];
  readonly #options: OpOptions;

  constructor(inputs: readonly Output[], options: OpOptions) {
    this.#inputs = inputs;
    this.#options = options;
  }

  inputs(): Output[] {
    return [...this.#inputs];
  }

  encode(context: EncodeContext): EncodedOp {
    const op = create(OpSchema, { constraints: {} });
    op.inputs = this.#inputs.map((output) => context.input(output));
    const inputs = op.inputs.map((_, i) => ({ input: BigInt(i) }));
    op.op = { case: 'merge', value: create(MergeOpSchema, { inputs }) };
    return {
      op,
      metadata: metadataOf(this.#options, [CAP.mergeOp]),
      locations: this.#options.locations ?? [],
    };
  }
}

class DiffVertex implements BuilderVertex {
  readonly #lower: Output;
  readonly #upper: Output | undefined;
  readonly #options: OpOptions;

  constructor(lower: Output, upper: Output | undefined, options: OpOptions) {
    this.#lower = lower;
    this.#upper = upper;
    this.#options = options;
  }

  inputs(): Output[] {
    return this.#upper === undefined ? [this.#lower] : [this.#lower, this.#upper];
  }

  encode(context: EncodeContext): EncodedOp {
    const inputs: Input[] = this.inputs().map((output) => context.input(output));
    const op = create(OpSchema, { constraints: {} });
    op.inputs = inputs;
    op.op = {
      case: 'diff',
      value: create(DiffOpSchema, {
        lower: { input: 0n },
        upper: { input: this.#upper === undefined ? -1n : 1n },
      }),
    };
    return {
      op,
      metadata: metadataOf(this.#options, [CAP.diffOp]),
      locations: this.#options.locations ?? [],
    };
  }
}
