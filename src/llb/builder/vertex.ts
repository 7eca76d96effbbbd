/** The builder's graph before it is encoded: vertices and their outputs, linked by reference. */
import type { Digest } from '../../content/contract.ts';
import type { Input, Op, OpMetadata, Platform } from '../gen/ops_pb.js';
import type { SourceLocation } from './source_map.ts';

/** One result of a vertex. Two references to the same object are the same input. */
export interface Output {
  readonly vertex: BuilderVertex;
  readonly index: number;
  /** The platform that it was asked for with. */
  readonly platform?: Platform | undefined;
}

export interface BuilderVertex {
  /** In the order in which they come before it in a definition. */
  inputs(): Output[];
  /** @throws CairnError SOLVE when it cannot be encoded, e.g. an exec without arguments */
  encode(context: EncodeContext): EncodedOp;
}

export interface EncodedOp {
  op: Op;
  /** The op's bytes where they are given; absent: as marshalOp writes them. */
  bytes?: Uint8Array;
  metadata: OpMetadata;
  locations: readonly SourceLocation[];
}

/** What an op may ask for while it is encoded. */
export interface EncodeContext {
  /** For ops that have none of their own. */
  readonly platform: Platform;
  /** `local.unique` of local sources outside a session. */
  readonly localUnique: string;
  /** The receiver sets PATH itself. */
  readonly setsDefaultPath: boolean;
  /** The reference to an output; encodes its vertex. */
  input(output: Output): Input;
}

export interface MarshalledVertex {
  digest: Digest;
  bytes: Uint8Array;
  metadata: OpMetadata;
  locations: readonly SourceLocation[];
}

/** An output that is decided when it is first needed, because it depends on what is built after it is handed out. */
export class LazyOutput implements Output {
  readonly #make: () => Output;
  #made: Output | undefined;

  constructor(make: () => Output) {
    this.#make = make;
  }

  get vertex(): BuilderVertex {
    return this.#resolve().vertex;
  }

  get index(): number {
    return this.#resolve().index;
  }

  #resolve(): Output {
    this.#made ??= this.#make();
    return this.#made;
  }
}
