/**
 * Which layers of a build are only wanted as blobs. They need no directory: a file op writes such a layer once,
 * compressed, instead of a directory that is read again for the blob.
 */
import type { CompressionConfig } from '../content/contract.ts';
import type { Exporter } from '../exporters/contract.ts';
import { edgeName, type Edge, type Vertex } from '../llb/graph.ts';
import type { CacheExports } from './cache_exports.ts';

/** One for a build. Nothing is direct before {@link decide}: what a frontend asks for is read. */
export class DirectLayers {
  #compression: CompressionConfig | undefined;
  #needed: ReadonlySet<string> = new Set();
  #known: ReadonlySet<string> = new Set();

  /** @param edges the results of the build; undefined: scratch */
  decide(edges: readonly (Edge | undefined)[], exporters: readonly Exporter[], caches: CacheExports): void {
    this.#compression = wantedCompression(exporters, caches);
    if (this.#compression === undefined) return;
    const vertices = verticesOf(edges.flatMap((edge) => (edge === undefined ? [] : [edge.vertex])));
    this.#known = new Set(vertices.keys());
    this.#needed = edgesWithFiles(vertices.values());
  }

  /** The compression in which a layer is wanted whose files nothing in this build needs; undefined: they are needed. */
  compressionOf(vertex: Vertex, output: number): CompressionConfig | undefined {
    if (!this.#known.has(vertex.digest) || this.#needed.has(edgeName({ vertex, index: output })))
      return undefined;
    return this.#compression;
  }
}

/**
 * The one compression in which the layers of the results are made first; undefined: nobody makes blobs, somebody reads
 * files, or the compression would depend on who comes first. Caches are exported after images, from the blobs that
 * these have made.
 */
function wantedCompression(
  exporters: readonly Exporter[],
  { entries }: CacheExports,
): CompressionConfig | undefined {
  if (exporters.some(({ readsFiles }) => readsFiles)) return undefined;
  const images = exporters.flatMap(({ compression }) => (compression === undefined ? [] : [compression]));
  // What is exported of a build that fails is exported without images.
  const cached = entries.filter(({ common }) => images.length === 0 || common.onFailure);
  const agreed = agreedCompression([...images, ...cached.map(({ common }) => common.compression)]);
  // The table of contents in an estargz blob makes it another tar than that of the directory.
  return agreed?.type === 'estargz' ? undefined : agreed;
}

/** The first, when all others make the same blobs; undefined when there is none. */
export function agreedCompression(configs: readonly CompressionConfig[]): CompressionConfig | undefined {
  const [first, ...others] = configs;
  if (first === undefined) return undefined;
  return others.every((other) => formatOf(other) === formatOf(first)) ? first : undefined;
}

/** What decides over the bytes and media type of a new blob. */
function formatOf({ type, level, ociMediaTypes }: CompressionConfig): string {
  return JSON.stringify([type, level ?? null, ociMediaTypes ?? true]);
}

function verticesOf(roots: readonly Vertex[]): Map<string, Vertex> {
  const found = new Map<string, Vertex>();
  const open = [...roots];
  for (let vertex = open.pop(); vertex !== undefined; vertex = open.pop()) {
    if (found.has(vertex.digest)) continue;
    found.set(vertex.digest, vertex);
    open.push(...vertex.inputs.map((input) => input.vertex));
  }
  return found;
}

/** Edges that a vertex reads files of: all but those that are merged into something whose files nobody reads. */
function edgesWithFiles(vertices: Iterable<Vertex>): Set<string> {
  const needed = new Set<string>();
  const open: Edge[] = [];
  for (const vertex of vertices) if (vertex.op.op.case !== 'merge') open.push(...vertex.inputs);
  for (let edge = open.pop(); edge !== undefined; edge = open.pop()) {
    if (needed.has(edgeName(edge))) continue;
    needed.add(edgeName(edge));
    if (edge.vertex.op.op.case === 'merge') open.push(...edge.vertex.inputs);
  }
  return needed;
}
