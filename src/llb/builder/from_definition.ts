/** A ready definition as a state to build on (BuildKit v0.32.2, client/llb, definition.go). */
import { create } from '@bufbuild/protobuf';
import { OpMetadataSchema } from '../gen/ops_pb.js';
import type { Definition } from '../gen/ops_pb.js';
import { loadDefinition } from '../definition.ts';
import type { Vertex } from '../graph.ts';
import type { SourceLocation, SourceMap } from './source_map.ts';
import { State } from './state.ts';
import type { BuilderVertex, EncodedOp, Output } from './vertex.ts';
import { digestOf } from '../digest.ts';

/**
 * The result of a definition; its ops keep their bytes, metadata and source locations.
 * @throws CairnError SOLVE as loadDefinition does
 */
export function stateOf(definition: Definition): State {
  const edge = loadDefinition(definition);
  if (edge === undefined) return State.scratch();
  const bytes = new Map<string, Uint8Array>(definition.def.map((op) => [digestOf(op), op]));
  const maps = (definition.Source?.infos ?? []).map(
    ({ filename, language, data, definition: origin }): SourceMap => ({
      filename,
      language,
      data,
      definition: origin,
    }),
  );
  const vertices = new Map<Vertex, BuilderVertex>();
  const wrap = (vertex: Vertex): BuilderVertex => {
    let known = vertices.get(vertex);
    if (known === undefined) {
      known = new ReadyVertex(vertex, bytes.get(vertex.digest), locationsOf(definition, vertex, maps), wrap);
      vertices.set(vertex, known);
    }
    return known;
  };
  return State.from({ vertex: wrap(edge.vertex), index: edge.index });
}

function locationsOf(definition: Definition, vertex: Vertex, maps: readonly SourceMap[]): SourceLocation[] {
  const locations = definition.Source?.locations[vertex.digest]?.locations ?? [];
  return locations.flatMap(({ sourceIndex, ranges }) => {
    const map = maps[sourceIndex];
    if (map === undefined) return [];
    const zero = { line: 0, character: 0 };
    return [{ map, ranges: ranges.map(({ start = zero, end = zero }) => ({ start, end })) }];
  });
}

class ReadyVertex implements BuilderVertex {
  readonly #vertex: Vertex;
  readonly #bytes: Uint8Array | undefined;
  readonly #locations: readonly SourceLocation[];
  readonly #wrap: (vertex: Vertex) => BuilderVertex;

  constructor(
    vertex: Vertex,
    bytes: Uint8Array | undefined,
    locations: readonly SourceLocation[],
    wrap: (vertex: Vertex) => BuilderVertex,
  ) {
    this.#vertex = vertex;
    this.#bytes = bytes;
    this.#locations = locations;
    this.#wrap = wrap;
  }

  inputs(): Output[] {
    return this.#vertex.inputs.map(({ vertex, index }) => ({ vertex: this.#wrap(vertex), index }));
  }

  encode(): EncodedOp {
    const { op, metadata } = this.#vertex;
    return {
      op,
      ...(this.#bytes === undefined ? {} : { bytes: this.#bytes }),
      metadata: create(OpMetadataSchema, metadata),
      locations: this.#locations,
    };
  }
}
