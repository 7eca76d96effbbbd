/** The jobs of file ops: actions run on a mounted tree, or planned and sent as the tar of their layer. */
import type { JobContext, JobMap } from '../../platform/contract.ts';
import type { MountSpec } from '../../snapshots/contract.ts';
import { withMount } from '../../snapshots/mounts.ts';
import { toBinary } from '../../snapshots/names.ts';
import { copyBatch } from './copy_batch.ts';
import { DiskTarget } from './disk_target.ts';
import { asFailure } from './failure.ts';
import { fileLayer } from './layer_job.ts';
import { SharedCopies } from './shared_copies.ts';
import { runAction, withTree, type FileStep, type Opened, type TreeSpec } from './steps.ts';
import type { TreeFiles } from './tree_files.ts';

export interface FileStepsArgs {
  target: MountSpec;
  steps: FileStep[];
  /** Where mount points are made. */
  mountParent: string;
}

/** Posts a CopyBatch for each number of files that another thread may copy. */
async function runSteps({ target, steps, mountParent }: FileStepsArgs, context: JobContext): Promise<void> {
  const { signal } = context;
  const opened: Opened = new Map();
  const upper = target.kind === 'overlay' && target.upper !== undefined ? toBinary(target.upper) : undefined;
  const copies = new SharedCopies((batch) => context.post(batch), signal);
  await withMount(
    target,
    async (root) => {
      const files = new DiskTarget(toBinary(root), { upper, copies });
      try {
        for (const step of steps) await runStep(step, files, opened, mountParent, signal);
      } finally {
        copies.abandon();
      }
    },
    mountParent,
  );
}

async function runStep(
  step: FileStep,
  target: DiskTarget,
  opened: Opened,
  mountParent: string,
  signal: { readonly aborted: boolean },
): Promise<void> {
  const open = <T>(spec: TreeSpec, use: (files: TreeFiles) => Promise<T>): Promise<T> =>
    withTree(spec, opened, mountParent, use);
  await open(step.source, (source) =>
    open(step.userTree, (userTree) =>
      open(step.groupTree, async (groupTree) => {
        try {
          await runAction(step, { source, userTree, groupTree }, target, signal);
        } catch (error) {
          throw asFailure(error, [source.root, target.root, target.fresh.root]);
        }
      }),
    ),
  );
}

export const fileJobs = {
  'ops.fileSteps': runSteps,
  'ops.copyBatch': copyBatch,
  'ops.fileLayer': fileLayer,
} satisfies JobMap;
