/** The results of a frontend, solved: one for each platform. */
import type { ExportRef } from '../exporters/contract.ts';
import type { FrontendRef } from '../frontend/dockerfile/contract.ts';
import { loadDefinition } from '../llb/definition.ts';
import type { Edge } from '../llb/graph.ts';
import type { Snapshot, SnapshotStore } from '../snapshots/contract.ts';
import type { SolveSession } from '../solver/contract.ts';
import { checkEntitlements } from './entitlements.ts';

export interface SolvedRef {
  /** Undefined: scratch. */
  edge: Edge | undefined;
  ref: ExportRef;
}

/** @throws CairnError for what the build was not allowed */
export function loadEdges(refs: readonly FrontendRef[], allowed: readonly string[]): (Edge | undefined)[] {
  const edges = refs.map(({ definition }) =>
    definition === undefined ? undefined : loadDefinition(definition),
  );
  for (const edge of edges) if (edge !== undefined) checkEntitlements(edge.vertex, allowed);
  return edges;
}

/** All platforms side by side; the solver shares what they have in common. @throws SolveError */
export async function solveRefs(
  refs: readonly FrontendRef[],
  edges: readonly (Edge | undefined)[],
  session: SolveSession,
  snapshots: SnapshotStore,
): Promise<SolvedRef[]> {
  if (edges.length > 1) await session.find(edges.filter((edge) => edge !== undefined));
  return Promise.all(
    refs.map(async (found, index) => {
      const edge = edges[index];
      const snapshot = edge === undefined ? undefined : await solveToSnapshot(edge, session, snapshots);
      const { definition: _, sourceDateEpoch, ...rest } = found;
      const epoch = sourceDateEpoch === undefined ? {} : { sourceDateEpoch: Number(sourceDateEpoch) };
      return { edge, ref: { ...rest, snapshot, ...epoch } };
    }),
  );
}

async function solveToSnapshot(
  edge: Edge,
  session: SolveSession,
  snapshots: SnapshotStore,
): Promise<Snapshot | undefined> {
  const tree = await session.result(edge);
  // A client's directory as base image, with nothing done in it.
  return tree?.kind === 'host' ? snapshots.fromHostTree(tree) : tree;
}
