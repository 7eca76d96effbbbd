/**
 * Layers of the images are compressed while later steps run: the exporters find them made. BuildKit begins when the
 * last step has ended. One layer at a time, so that steps keep most of the machine.
 */
import type { CompressionConfig } from '../content/contract.ts';
import type { Exporter } from '../exporters/contract.ts';
import type { FileOp } from '../llb/gen/ops_pb.js';
import { edgeName, type Edge, type Vertex } from '../llb/graph.ts';
import type { OpResolver } from '../ops/contract.ts';
import type { SnapshotStore, Tree } from '../snapshots/contract.ts';
import type { CacheExports } from './cache_exports.ts';
import { agreedCompression } from './direct_layers.ts';

/** One for a build. Nothing is made before {@link decide}. */
export class EarlyLayers {
  readonly #snapshots: Pick<SnapshotStore, 'makeBlob'>;
  readonly #stop = new AbortController();
  #compression: CompressionConfig | undefined;
  #wanted: ReadonlySet<string> = new Set();
  #work: Promise<void> = Promise.resolve();
  #failure: unknown;

  constructor(snapshots: Pick<SnapshotStore, 'makeBlob'>) {
    this.#snapshots = snapshots;
  }

  /** @param edges the results of the build; undefined: scratch */
  decide(
    edges: readonly (Edge | undefined)[],
    exporters: readonly Exporter[],
    { entries }: CacheExports,
  ): void {
    const images = exporters.flatMap(({ compression }) => (compression === undefined ? [] : [compression]));
    if (images.length === 0) return;
    // A cache of a build that fails takes the blobs that are there: they must not be in one format or another.
    const failed = entries.filter(({ common }) => common.onFailure);
    this.#compression = agreedCompression([...images, ...failed.map(({ common }) => common.compression)]);
    if (this.#compression === undefined) return;
    this.#wanted = layersOf(edges.filter((edge) => edge !== undefined));
  }

  /** The same ops, whose results are compressed in the background where an image has them as its layers. */
  watch(resolve: OpResolver): OpResolver {
    return (vertex) => {
      const op = resolve(vertex);
      return {
        ...op,
        run: async (inputs, context) => {
          const outputs = await op.run(inputs, context);
          for (const [index, output] of outputs.entries()) this.#made({ vertex, index }, output);
          return outputs;
        },
      };
    };
  }

  /** Why a layer could not be made: a disk that it found full made a step fail, perhaps. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Ends what is still going on, at the end of the build. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#work;
  }

  #made(edge: Edge, tree: Tree | undefined): void {
    const compression = this.#compression;
    if (compression === undefined || tree?.kind !== 'snapshot' || !this.#wanted.has(edgeName(edge))) return;
    const { signal } = this.#stop;
    const make = async (): Promise<void> => {
      if (!signal.aborted) await this.#snapshots.makeBlob(tree, compression, { signal });
    };
    // What fails here fails again in the export, which tells.
    this.#work = this.#work.then(make).catch((error: unknown) => {
      if (!signal.aborted) this.#failure ??= error;
    });
  }
}

/** The edges whose own layers are layers of these results. */
function layersOf(results: readonly Edge[]): Set<string> {
  const found = new Set<string>();
  const open = [...results];
  for (let edge = open.pop(); edge !== undefined; edge = open.pop()) {
    const name = edgeName(edge);
    if (found.has(name)) continue;
    found.add(name);
    open.push(...below(edge));
  }
  return found;
}

/** The inputs whose layers lie below an output's own. Of a diff that depends on both: none is named. */
function below({ vertex, index }: Edge): Edge[] {
  const { op } = vertex.op;
  if (op.case === 'merge') return [...vertex.inputs];
  if (op.case === 'exec') {
    const mount = op.value.mounts.find(({ output }) => Number(output) === index);
    return mount === undefined ? [] : inputOf(vertex, Number(mount.input));
  }
  return op.case === 'file' ? inputOf(vertex, baseOf(vertex, op.value, index)) : [];
}

/** The input that the actions behind an output begin with; -1: none. */
function baseOf({ inputs }: Vertex, { actions }: FileOp, index: number): number {
  let action = actions.find(({ output }) => Number(output) === index);
  // An action only follows earlier ones; what does not is refused when it runs.
  for (let steps = 0; steps <= actions.length; steps++) {
    if (action === undefined) return -1;
    const input = Number(action.input);
    if (input < inputs.length) return input;
    action = actions[input - inputs.length];
  }
  return -1;
}

function inputOf({ inputs }: Vertex, index: number): Edge[] {
  const input = inputs[index];
  return input === undefined ? [] : [input];
}
