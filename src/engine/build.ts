/** One build: the frontend makes LLB, the solver decides and runs its vertices, the exporters write the result. */
import type { FrontendResult, FrontendWarning, Gateway } from '../frontend/dockerfile/contract.ts';
import type { Definition } from '../llb/gen/ops_pb.js';
import { CairnError } from '../errors/error.ts';
import { hostPlatform } from '../llb/platform.ts';
import { createOpResolver } from '../ops/resolve.ts';
import type { OpServices } from '../ops/services.ts';
import type { ProgressSink } from '../progress/events.ts';
import { createRegistryClient } from '../registry/client.ts';
import type { SolveSession } from '../solver/contract.ts';
import { createSourceResolver } from '../sources/resolver.ts';
import { prepareCacheExports } from './cache_exports.ts';
import { prepareCacheImports } from './cache_imports.ts';
import { SolveError } from '../solver/error.ts';
import { explainStoreFailure } from '../store/failure.ts';
import { warner } from './cache_context.ts';
import type { BuildClient, BuildRequest, BuildResult, Subrequest } from './contract.ts';
import { DirectLayers } from './direct_layers.ts';
import { EarlyLayers } from './early_layers.ts';
import { exportAll, exportFailed } from './export_all.ts';
import { prepareExports } from './exports.ts';
import { createGateway } from './gateway.ts';
import { LostBlobs } from './lost_blobs.ts';
import type { EngineServices } from './services.ts';
import { loadEdges, solveRefs } from './solve_refs.ts';
import { SourceLocations } from './source_locations.ts';
import { StepReports } from './step_reports.ts';

export interface BuildContext {
  services: EngineServices;
  request: BuildRequest;
  client: BuildClient;
  progress: ProgressSink;
  signal: AbortSignal;
}

/** @throws CairnError with the Dockerfile's lines attached (`sources`) where they are known */
export async function runBuild(context: BuildContext): Promise<BuildResult> {
  const { services, request, client, progress, signal } = context;
  const locations = new SourceLocations();
  const registry = createRegistryClient({ credentials: client, hosts: services.hosts });
  const sources = createSourceResolver({ ...services, registry, client });
  const imports = await prepareCacheImports(context, registry);
  const caches = await prepareCacheExports(context);
  const direct = new DirectLayers();
  const early = new EarlyLayers(services.snapshots);
  const directLayer: OpServices['directLayer'] = (vertex, output) => direct.compressionOf(vertex, output);
  const openSession = (): SolveSession =>
    services.solver.session({
      resolveOp: early.watch(createOpResolver({ ...services, sources, secrets: client, directLayer })),
      local: services.keys,
      imports: imports.sources,
      progress,
      signal,
    });
  let session = openSession();
  const steps = new StepReports();
  const lost = new LostBlobs(imports, services.snapshots, warner(progress));
  let warnings = 0;
  const gateway = createGateway({
    opts: request.frontendAttrs,
    platforms: [hostPlatform()],
    sessionId: request.ref,
    progress,
    signal,
    snapshots: services.snapshots,
    pool: services.pool,
    result: (edge) => session.result(edge),
    resolveImage: (ref, options, vertex) => sources.resolveImage(ref, options, vertex),
    resolveMetadata: (source, vertex) => sources.resolveMetadata(source, vertex),
    onDefinition: (definition) => locations.add(definition),
    onWarning(warning) {
      warnings++;
      forwardWarning(progress, warning);
    },
  });
  try {
    if (request.subrequest !== undefined) {
      return {
        metadata: {},
        steps: [],
        subrequest: await answerSubrequest(request.subrequest.name, gateway),
        warnings,
      };
    }
    const exporters = await prepareExports(context, registry);
    imports.start();
    const frontend =
      request.definition === undefined ? await runFrontend(gateway) : ready(request.definition);
    for (const ref of frontend.refs) if (ref.definition !== undefined) locations.add(ref.definition);
    const edges = loadEdges(frontend.refs, request.entitlements);
    direct.decide(edges, exporters, caches);
    early.decide(edges, exporters, caches);
    for (;;) {
      try {
        const solved = await solveRefs(frontend.refs, edges, session, services.snapshots);
        const metadata = await exportAll({ solved, session, exporters, caches, registry }, context);
        return { metadata, steps: steps.of(session), warnings };
      } catch (error) {
        // What a cache promised and did not keep is built: the steps that are done are in the local store.
        if (signal.aborted || !(await lost.lose(error))) {
          await exportFailed(session, caches, context, registry);
          throw error;
        }
        steps.add(session);
        await session.close();
        session = openSession();
      }
    }
  } catch (error) {
    await early.stop();
    client.onFailure?.(steps.of(session));
    throw locations.attach(explained(error, services.store.root, early.failure));
  } finally {
    imports.close();
    await early.stop();
    await session.close();
    sources.close();
    registry.close();
  }
}

/**
 * Keeps the vertex, which leads to the lines of the Dockerfile. `early`: why a layer was not made early. Where the
 * disk was full, it was so for the step that failed at that time, too, although it is not any more.
 */
function explained(error: unknown, root: string, early: unknown): unknown {
  const known = explainStoreFailure(error, root);
  if (!(error instanceof SolveError)) return known;
  if (known !== error) return new SolveError(error.vertex, known);
  if (error.code !== 'EXEC' || error.hint !== undefined) return error;
  const disk = explainStoreFailure(early, root);
  if (!(disk instanceof CairnError) || disk.code !== 'STORE') return error;
  const { code, message } = error;
  return new SolveError(error.vertex, new CairnError(message, { code, hint: disk.hint, cause: error }));
}

async function answerSubrequest(name: Subrequest, gateway: Gateway): Promise<{ json: string; text: string }> {
  const frontend = await import('../frontend/dockerfile/frontend.ts');
  const answers = {
    lint: frontend.lintDockerfile,
    outline: frontend.outlineDockerfile,
    targets: frontend.targetsDockerfile,
    'subrequests.describe': frontend.describeSubrequests,
  };
  return answers[name](gateway);
}

async function runFrontend(gateway: Gateway): Promise<FrontendResult> {
  const { buildDockerfile } = await import('../frontend/dockerfile/frontend.ts');
  return buildDockerfile(gateway);
}

/** A definition that came without a frontend brings no image config: the least that an image can have. */
function ready(definition: Definition): Pick<FrontendResult, 'refs'> {
  const platform = hostPlatform();
  const imageConfig = JSON.stringify({ architecture: platform.Architecture, os: platform.OS });
  return { refs: [{ platform, definition, imageConfig }] };
}

function forwardWarning(progress: ProgressSink, warning: FrontendWarning): void {
  const { vertex, level, message, detail, url, source, ranges } = warning;
  progress.warning({
    vertex: vertex === '' ? 'sha256:' : vertex,
    level,
    short: message,
    detail,
    url,
    ...(source === undefined ? {} : { source }),
    ranges,
  });
}
