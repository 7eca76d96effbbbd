/** One build: the frontend makes LLB, the solver decides and runs its vertices, the exporters write the result. */
import type {
  FrontendRef,
  FrontendResult,
  FrontendWarning,
  Gateway,
} from '../frontend/dockerfile/contract.ts';
import { CairnError } from '../errors/error.ts';
import type { ExportRef } from '../exporters/contract.ts';
import { loadDefinition } from '../llb/definition.ts';
import type { Edge } from '../llb/graph.ts';
import type { Definition } from '../llb/gen/ops_pb.js';
import { hostPlatform } from '../llb/platform.ts';
import { createOpResolver } from '../ops/resolve.ts';
import type { ProgressSink } from '../progress/events.ts';
import { createRegistryClient } from '../registry/client.ts';
import type { Snapshot } from '../snapshots/contract.ts';
import type { SolveSession } from '../solver/contract.ts';
import { createSourceResolver } from '../sources/resolver.ts';
import type { BuildClient, BuildRequest, BuildResult, StepReport } from './contract.ts';
import { checkEntitlements } from './entitlements.ts';
import { prepareExports, runExports } from './exports.ts';
import { createGateway } from './gateway.ts';
import type { EngineServices } from './services.ts';
import { SourceLocations } from './source_locations.ts';

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
  const session = services.solver.session({
    resolveOp: createOpResolver({ ...services, sources, secrets: client }),
    local: services.keys,
    imports: [],
    progress,
    signal,
  });
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
    const frontend =
      request.definition === undefined ? await runFrontend(gateway) : ready(request.definition);
    for (const ref of frontend.refs) if (ref.definition !== undefined) locations.add(ref.definition);
    const refs = await solveRefs(frontend.refs, session, request.entitlements);
    const metadata = await runExports(exporters, refs, context);
    return { metadata, steps: reports(session), warnings };
  } catch (error) {
    throw locations.attach(error);
  } finally {
    await session.close();
    sources.close();
    registry.close();
  }
}

async function answerSubrequest(
  name: 'lint' | 'outline' | 'targets',
  gateway: Gateway,
): Promise<{ json: string; text: string }> {
  const frontend = await import('../frontend/dockerfile/frontend.ts');
  const answers = {
    lint: frontend.lintDockerfile,
    outline: frontend.outlineDockerfile,
    targets: frontend.targetsDockerfile,
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

/** All platforms side by side; the solver shares what they have in common. */
async function solveRefs(
  refs: FrontendRef[],
  session: SolveSession,
  allowed: readonly string[],
): Promise<ExportRef[]> {
  const edges = refs.map(({ definition }) =>
    definition === undefined ? undefined : loadDefinition(definition),
  );
  for (const edge of edges) if (edge !== undefined) checkEntitlements(edge.vertex, allowed);
  return Promise.all(
    refs.map(async (ref, index) => {
      const edge = edges[index];
      const snapshot = edge === undefined ? undefined : await solveToSnapshot(edge, session);
      const { definition: _, sourceDateEpoch, ...rest } = ref;
      return {
        ...rest,
        snapshot,
        ...(sourceDateEpoch === undefined ? {} : { sourceDateEpoch: Number(sourceDateEpoch) }),
      };
    }),
  );
}

async function solveToSnapshot(edge: Edge, session: SolveSession): Promise<Snapshot | undefined> {
  const tree = await session.result(edge);
  if (tree?.kind === 'host')
    throw new CairnError('the result of a build cannot be a local directory', { code: 'UNSUPPORTED' });
  return tree;
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

function reports(session: SolveSession): StepReport[] {
  return session.decisions.map(({ vertex, status, cache, reason }) => ({
    vertex: vertex.digest,
    name: vertex.name,
    status,
    ...(cache === undefined ? {} : { cache }),
    reason,
  }));
}
