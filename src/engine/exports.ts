/** The exports of one build, side by side, each shown as a vertex. */
import type { ExportRef, Exporter } from '../exporters/contract.ts';
import { createExporter } from '../exporters/create.ts';
import { runVertex } from '../progress/vertex.ts';
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

/** @returns the metadata of all exporters in one map; of two that say the same thing the later counts, as with BuildKit */
export async function runExports(
  exporters: Exporter[],
  refs: ExportRef[],
  { request, progress, signal }: BuildContext,
): Promise<Record<string, string>> {
  const results = await Promise.all(
    exporters.map((exporter) =>
      runVertex(progress, exporter.name, (vertex) =>
        exporter.export({ refs, buildId: request.ref }, { signal, progress: vertex }),
      ),
    ),
  );
  return Object.assign({}, ...results) as Record<string, string>;
}
