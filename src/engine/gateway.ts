/** The frontend's gateway: what it asks for is solved like any other part of the build. */
import { randomUUID } from 'node:crypto';
import type { Gateway, FrontendWarning, ResolveImageConfigOptions } from '../frontend/dockerfile/contract.ts';
import { loadDefinition } from '../llb/definition.ts';
import type { Edge } from '../llb/graph.ts';
import type { Definition, Platform } from '../llb/gen/ops_pb.js';
import type { JobPool } from '../platform/contract.ts';
import type { ProgressSink } from '../progress/events.ts';
import { runVertex } from '../progress/vertex.ts';
import type { SnapshotStore, Tree } from '../snapshots/contract.ts';
import type { ResolvedImage, SourceContext } from '../sources/contract.ts';
import { gatewayRef } from './tree_files.ts';

export interface GatewayOptions {
  /** Attributes of the frontend. */
  opts: Record<string, string>;
  platforms: Platform[];
  sessionId: string;
  progress: ProgressSink;
  signal: AbortSignal;
  snapshots: SnapshotStore;
  pool: JobPool;
  /** Solves an edge; undefined: scratch. */
  result(edge: Edge): Promise<Tree | undefined>;
  resolveImage(
    ref: string,
    options: ResolveImageConfigOptions,
    context: SourceContext,
  ): Promise<ResolvedImage>;
  resolveMetadata(
    source: { identifier: string; attrs: Record<string, string> },
    context: SourceContext,
  ): Promise<{ commitTime?: bigint; lastModified?: bigint }>;
  /** Hears of every definition that is solved, for source locations in errors. */
  onDefinition(definition: Definition): void;
  onWarning(warning: FrontendWarning): void;
}

/** Characters of BuildKit's identity.NewID: 25 of base 36. */
const UNIQUE_LENGTH = 25;

export function createGateway(options: GatewayOptions): Gateway {
  const { opts, platforms, sessionId, progress, signal, snapshots, pool } = options;
  return {
    opts,
    workerPlatforms: platforms,
    sessionId,
    localUnique: uniqueId(),
    async solve(definition) {
      options.onDefinition(definition);
      const edge = loadDefinition(definition);
      const tree = edge === undefined ? undefined : await options.result(edge);
      return gatewayRef(tree, snapshots, pool);
    },
    resolveImageConfig: (ref, imageOptions) =>
      runVertex(progress, imageOptions.logName, (vertex) =>
        options.resolveImage(ref, imageOptions, { signal, progress: vertex }),
      ),
    resolveSourceMetadata: (source, logName) =>
      runVertex(progress, logName, (vertex) => options.resolveMetadata(source, { signal, progress: vertex })),
    warn: (warning) => options.onWarning(warning),
  };
}

function uniqueId(): string {
  const digits = BigInt(`0x${randomUUID().replaceAll('-', '')}`).toString(36);
  return digits.padStart(UNIQUE_LENGTH, '0').slice(-UNIQUE_LENGTH);
}
