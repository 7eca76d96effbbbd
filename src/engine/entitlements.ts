/** What a step may ask for only when the user allowed it: `--allow` (BuildKit util/entitlements, v0.32.2). */
import { CairnError } from '../errors/error.ts';
import type { Vertex } from '../llb/graph.ts';
import { NetMode, SecurityMode } from '../llb/gen/ops_pb.js';
import { SolveError } from '../solver/error.ts';

/** @throws SolveError DENIED naming the first vertex, inputs included, that needs what is not in `allowed` */
export function checkEntitlements(
  vertex: Vertex,
  allowed: readonly string[],
  seen = new Set<Vertex>(),
): void {
  if (seen.has(vertex)) return;
  seen.add(vertex);
  if (vertex.op.op.case === 'exec') {
    const { network, security } = vertex.op.op.value;
    if (network === NetMode.HOST) need(vertex, 'network.host', allowed);
    if (security === SecurityMode.INSECURE) need(vertex, 'security.insecure', allowed);
  }
  for (const input of vertex.inputs) checkEntitlements(input.vertex, allowed, seen);
}

function need(vertex: Vertex, entitlement: string, allowed: readonly string[]): void {
  if (allowed.includes(entitlement)) return;
  throw new SolveError(
    vertex,
    new CairnError(`failed to load LLB: ${entitlement} is not allowed`, {
      code: 'DENIED',
      hint: `add --allow ${entitlement}`,
    }),
  );
}
