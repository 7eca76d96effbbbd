/** Jobs of the snapshots room, joined with the others' in engine/worker.ts. */
import type { JobMap } from '../platform/contract.ts';

export const snapshotJobs: JobMap = {};
