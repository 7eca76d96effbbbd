/** File ops: chains of copy, mkdir, mkfile, symlink and rm (BuildKit v0.32.2, client/llb, fileop.go). */
import { create } from '@bufbuild/protobuf';
import { CairnError } from '../../errors/error.ts';
import { FileActionSchema, FileOpSchema, OpSchema } from '../gen/ops_pb.js';
import type { Input } from '../gen/ops_pb.js';
import { CAP } from './caps.ts';
import { metadataOf, type OpOptions } from './constraints.ts';
import { encodeAction, type FileStep } from './file_action.ts';
import type { State } from './state.ts';
import type { BuilderVertex, EncodeContext, EncodedOp, Output } from './vertex.ts';

/** Applies `steps` to `base`, one after the other, as one op. */
export function file(base: State, steps: readonly FileStep[], options: OpOptions = {}): State {
  return base.withOutput({ vertex: new FileVertex(base, steps, options), index: 0 });
}

class FileVertex implements BuilderVertex {
  readonly #base: State;
  readonly #steps: readonly FileStep[];
  readonly #options: OpOptions;

  constructor(base: State, steps: readonly FileStep[], options: OpOptions) {
    this.#base = base;
    this.#steps = steps;
    this.#options = options;
  }

  /** The base, then the sources of copies from the last step to the first. */
  inputs(): Output[] {
    const sources = this.#steps.toReversed().map((step) => sourceOf(step));
    return [...new Set([this.#base.output, ...sources].filter((output) => output !== undefined))];
  }

  encode(context: EncodeContext): EncodedOp {
    if (this.#steps.length === 0) throw new CairnError('action is required', { code: 'SOLVE' });
    const inputs: Input[] = [];
    const add = (output: Output | undefined): number => {
      if (output === undefined) return -1;
      const input = context.input(output);
      const known = inputs.findIndex(({ digest, index }) => digest === input.digest && index === input.index);
      return known === -1 ? inputs.push(input) - 1 : known;
    };
    const base = add(this.#base.output);
    const sources = this.#steps.map((step) => add(sourceOf(step)));
    const value = create(FileOpSchema);
    value.actions = this.#steps.map((step, i) =>
      create(FileActionSchema, {
        // Indices after those of the inputs name the results of earlier actions.
        input: BigInt(i === 0 ? base : inputs.length + i - 1),
        secondaryInput: BigInt(sources[i] ?? -1),
        output: i === this.#steps.length - 1 ? 0n : -1n,
        action: encodeAction(step, this.#base, base),
      }),
    );
    const op = create(OpSchema, { inputs, constraints: {} });
    op.op = { case: 'file', value };
    return {
      op,
      metadata: metadataOf(this.#options, [CAP.fileBase]),
      locations: this.#options.locations ?? [],
    };
  }
}

function sourceOf(step: FileStep): Output | undefined {
  return step.kind === 'copy' ? step.source.output : undefined;
}
