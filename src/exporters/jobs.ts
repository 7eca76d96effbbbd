/** Jobs of the exporters room, joined with the others' in engine/worker.ts. */
import type { JobMap } from '../platform/contract.ts';
import { treeCopy } from './tree_copy.ts';
import { treeTar } from './tree_tar.ts';

export const exporterJobs: JobMap = {
  'exporters.treeCopy': treeCopy,
  'exporters.treeTar': treeTar,
};
