/** Encoding of a state's graph into a definition (BuildKit v0.32.2, client/llb, State.Marshal). */
import { create } from '@bufbuild/protobuf';
import { digestOf } from '../digest.ts';
import { DefinitionSchema, OpMetadataSchema, OpSchema } from '../gen/ops_pb.js';
import type { Definition, Input, OpMetadata, Platform } from '../gen/ops_pb.js';
import { marshalOp } from '../marshal.ts';
import { hostPlatform, normalizePlatform } from '../platform.ts';
import { CAP, type Cap } from './caps.ts';
import { capMap, mergeMetadata } from './constraints.ts';
import { SourceMapCollector } from './source_map.ts';
import type { BuilderVertex, EncodeContext, MarshalledVertex, Output } from './vertex.ts';

export interface MarshalOptions {
  /** Platform of ops that have none; default: this machine's. */
  platform?: Platform;
  /** See {@link EncodeContext.localUnique}. */
  localUnique: string;
  /** The receiver has BuildKit's capability exec.meta.setsdefaultpath. */
  setsDefaultPath?: boolean;
}

/**
 * The definition whose result is `output`: every vertex after its inputs, once per digest, and last the op that
 * has only an input. The empty definition for undefined, which is scratch.
 * @throws CairnError SOLVE when an op cannot be encoded
 */
export function marshalDefinition(output: Output | undefined, options: MarshalOptions): Definition {
  const definition = create(DefinitionSchema);
  if (output === undefined) return definition;
  const marshaller = new Marshaller(options);
  marshaller.visit(output.vertex);
  const last = marshalOp(create(OpSchema, { inputs: [marshaller.input(output)] }));
  definition.def = [...marshaller.ops.values(), last];
  definition.metadata = {
    ...Object.fromEntries(marshaller.metadata),
    [digestOf(last)]: create(OpMetadataSchema, { caps: capMap(capsOfAll(marshaller.metadata)) }),
  };
  definition.Source = marshaller.sources.toMessage();
  return definition;
}

function capsOfAll(metadata: ReadonlyMap<string, OpMetadata>): Set<Cap> {
  const caps = new Set<Cap>([CAP.constraints, CAP.platform]);
  for (const { ignoreCache, description, exportCache } of metadata.values()) {
    if (ignoreCache) caps.add(CAP.metaIgnoreCache);
    if (Object.keys(description).length > 0) caps.add(CAP.metaDescription);
    if (exportCache !== undefined) caps.add(CAP.metaExportCache);
  }
  return caps;
}

class Marshaller implements EncodeContext {
  readonly platform: Platform;
  readonly localUnique: string;
  readonly setsDefaultPath: boolean;
  readonly ops = new Map<string, Uint8Array>();
  readonly metadata = new Map<string, OpMetadata>();
  readonly sources = new SourceMapCollector();
  readonly #visited = new Set<BuilderVertex>();
  readonly #marshalled = new Map<BuilderVertex, MarshalledVertex>();

  constructor(options: MarshalOptions) {
    this.platform = options.platform ?? normalizePlatform(hostPlatform());
    this.localUnique = options.localUnique;
    this.setsDefaultPath = options.setsDefaultPath ?? false;
  }

  visit(vertex: BuilderVertex): void {
    if (this.#visited.has(vertex)) return;
    for (const input of vertex.inputs()) this.visit(input.vertex);
    const { digest, bytes, metadata, locations } = this.#marshal(vertex);
    this.#visited.add(vertex);
    this.metadata.set(digest, mergeMetadata(this.metadata.get(digest), metadata));
    this.sources.add(digest, locations);
    if (!this.ops.has(digest)) this.ops.set(digest, bytes);
  }

  input(output: Output): Input {
    return {
      $typeName: 'pb.Input',
      digest: this.#marshal(output.vertex).digest,
      index: BigInt(output.index),
    };
  }

  #marshal(vertex: BuilderVertex): MarshalledVertex {
    let marshalled = this.#marshalled.get(vertex);
    if (marshalled === undefined) {
      const { op, bytes = marshalOp(op), metadata, locations } = vertex.encode(this);
      marshalled = { digest: digestOf(bytes), bytes, metadata, locations };
      this.#marshalled.set(vertex, marshalled);
    }
    return marshalled;
  }
}
