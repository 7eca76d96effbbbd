/** The job that runs file actions on a mounted tree. */
import { CairnError } from '../../errors/error.ts';
import type { FileAction } from '../../llb/gen/ops_pb.js';
import type { JobContext, JobMap } from '../../platform/contract.ts';
import type { HostTree, MountSpec } from '../../snapshots/contract.ts';
import { withMount } from '../../snapshots/mounts.ts';
import { toBinary } from '../../snapshots/names.ts';
import { runCopy } from './copy_action.ts';
import { DiskTarget } from './disk_target.ts';
import { asFailure } from './failure.ts';
import { makeDirectoryAction, makeFileAction, makeSymlinkAction, removeAction } from './make.ts';
import { lookUpOwner } from './owner.ts';
import type { TargetFiles } from './target.ts';
import { HostFiles, MountedFiles, NO_FILES, type TreeFiles } from './tree_files.ts';

/** A tree that an action reads, as plain data. */
export type TreeSpec =
  | { kind: 'mount'; mount: MountSpec }
  | { kind: 'host'; tree: HostTree }
  | { kind: 'scratch' };

export interface FileStep {
  action: FileAction['action'];
  /** Of a copy. */
  source: TreeSpec;
  /** Where names of owners are looked up. */
  userTree: TreeSpec;
  groupTree: TreeSpec;
}

export interface FileStepsArgs {
  target: MountSpec;
  steps: FileStep[];
  /** Where mount points are made. */
  mountParent: string;
}

/** Walks of client directories are shared by the steps of a job. */
type Opened = Map<HostTree, TreeFiles>;

async function runSteps(
  { target, steps, mountParent }: FileStepsArgs,
  { signal }: JobContext,
): Promise<void> {
  const opened: Opened = new Map();
  const upper = target.kind === 'overlay' ? target.upper : undefined;
  await withMount(
    target,
    async (root) => {
      const files = new DiskTarget(toBinary(root), upper === undefined ? undefined : toBinary(upper));
      for (const step of steps) await runStep(step, files, opened, mountParent, signal);
    },
    mountParent,
  );
}

async function runStep(
  step: FileStep,
  target: TargetFiles,
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
          const { action } = step;
          const owner =
            action.case === undefined || action.case === 'rm'
              ? undefined
              : lookUpOwner(action.value.owner, userTree, groupTree);
          if (action.case === 'copy') await runCopy({ action: action.value, source, target, owner, signal });
          else if (action.case === 'mkdir') makeDirectoryAction(target, action.value, owner);
          else if (action.case === 'mkfile') makeFileAction(target, action.value, owner);
          else if (action.case === 'symlink') makeSymlinkAction(target, action.value, owner);
          else if (action.case === 'rm') removeAction(target, action.value);
          else throw new CairnError('a file op has an action of an unknown type', { code: 'UNSUPPORTED' });
        } catch (error) {
          throw asFailure(error, [source.root, target.root, target.fresh.root]);
        }
      }),
    ),
  );
}

function withTree<T>(
  spec: TreeSpec,
  opened: Opened,
  mountParent: string,
  use: (files: TreeFiles) => Promise<T>,
): Promise<T> {
  if (spec.kind === 'scratch') return use(NO_FILES);
  if (spec.kind === 'mount')
    return withMount(spec.mount, (path) => use(new MountedFiles(toBinary(path))), mountParent);
  const files = opened.get(spec.tree) ?? new HostFiles(spec.tree);
  opened.set(spec.tree, files);
  return use(files);
}

export const fileJobs = { 'ops.fileSteps': runSteps } satisfies JobMap;
