/** Jobs of the snapshots room, joined with the others' in engine/worker.ts. */
import type { JobMap } from '../platform/contract.ts';
import { contentHashJobs } from './contenthash/jobs.ts';
import { check } from './jobs/check.ts';
import { copyHost } from './jobs/host.ts';
import { diffTar, unpack } from './jobs/tar.ts';
import { buildTree, copyWritable, tryOverlay } from './jobs/trees.ts';

export const snapshotJobs: JobMap = {
  ...contentHashJobs,
  'snapshots.diffTar': diffTar,
  'snapshots.unpack': unpack,
  'snapshots.check': check,
  'snapshots.buildTree': buildTree,
  'snapshots.copyHost': copyHost,
  'snapshots.copyWritable': copyWritable,
  'snapshots.tryOverlay': tryOverlay,
};
