/** The exports of one build, side by side, each shown as a vertex. */
import type { CompressionConfig } from '../content/contract.ts';
import type { ExportRef, Exporter } from '../exporters/contract.ts';
import { createExporter } from '../exporters/create.ts';
import type { VertexProgress } from '../progress/events.ts';
import { runVertex, startStatus } from '../progress/vertex.ts';
import type { RegistryClient } from '../registry/contract.ts';
import type { BuildContext } from './build.ts';

/**
 * Checks what every exporter was given, before anything is built.
 * @throws CairnError USAGE
 */
export async function prepareExports(
  { services, request, client }: BuildContext,
  registry: RegistryClient,
): Promise<Exporter[]> {
  const { content, snapshots, pool } = services;
  return Promise.all(
    request.exports.map((entry, index) =>
      createExporter(entry, index, {
        content,
        snapshots,
        jobs: pool,
        output: client,
        registry: async () => registry,
      }),
    ),
  );
}

export interface ExportsInput {
  refs: ExportRef[];
  /** The records for each ref's image; undefined: no inline cache was asked for. */
  inlineCache?: (index: number, compression: CompressionConfig) => Promise<Uint8Array | undefined>;
  /** Called when the layers of all images have their blobs. */
  layersReady: () => void;
}

/** @returns the metadata of all exporters in one map; of two that say the same thing the later counts, as with BuildKit */
export async function runExports(
  exporters: Exporter[],
  { refs, inlineCache, layersReady }: ExportsInput,
  context: BuildContext,
): Promise<Record<string, string>> {
  const { request, progress, signal } = context;
  let waiting = exporters.length;
  const ready = (): void => {
    if (--waiting <= 0) layersReady();
  };
  if (waiting === 0) layersReady();
  const results = await Promise.all(
    exporters.map((exporter) =>
      runVertex(progress, exporter.name, async (vertex) => {
        let once = ready;
        const leave = (): void => {
          once();
          once = () => undefined;
        };
        try {
          const own = await withInlineCache(exporter, refs, inlineCache, vertex);
          // What goes to the client cannot be taken back: nothing may be missing when it begins.
          if (exporter.streams) await fetchAll(refs, context, vertex);
          const input = { refs: own, buildId: request.ref };
          return await exporter.export(input, { signal, progress: vertex, layersReady: leave });
        } finally {
          leave();
        }
      }),
    ),
  );
  return Object.assign({}, ...results) as Record<string, string>;
}

async function withInlineCache(
  { compression }: Exporter,
  refs: ExportRef[],
  inlineCache: ExportsInput['inlineCache'],
  vertex: VertexProgress,
): Promise<ExportRef[]> {
  if (inlineCache === undefined || compression === undefined) return refs;
  const done = startStatus(vertex, 'preparing layers for inline cache');
  const records = await Promise.all(refs.map((_, index) => inlineCache(index, compression)));
  done();
  return refs.map((ref, index) => {
    const record = records[index];
    return record === undefined ? ref : { ...ref, inlineCache: record };
  });
}

async function fetchAll(
  refs: readonly ExportRef[],
  { services, signal }: BuildContext,
  progress: VertexProgress,
): Promise<void> {
  await Promise.all(
    refs.map(async ({ snapshot }) => {
      if (snapshot !== undefined) await services.snapshots.fetch(snapshot, { progress, signal });
    }),
  );
}
