/** One file action as plain data, and running it on whatever tree it is to write. */
import { chmodSync, mkdtempSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { CairnError } from '../../errors/error.ts';
import type { FileAction } from '../../llb/gen/ops_pb.js';
import type { HostTree, MountSpec } from '../../snapshots/contract.ts';
import { withMount } from '../../snapshots/mounts.ts';
import { toBinary } from '../../snapshots/names.ts';
import { runCopy } from './copy_action.ts';
import { makeDirectoryAction, makeFileAction, makeSymlinkAction, removeAction } from './make.ts';
import { lookUpOwner } from './owner.ts';
import type { TargetFiles } from './target.ts';
import { HostFiles, MountedFiles, type TreeFiles } from './tree_files.ts';

/** Of what BuildKit makes for scratch. */
const ROOT_MODE = 0o755;

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

/** What an action reads. */
export interface StepTrees {
  source: TreeFiles;
  userTree: TreeFiles;
  groupTree: TreeFiles;
}

/** @throws what the target throws, with what was being done in front (failure.ts) */
export async function runAction(
  { action }: FileStep,
  { source, userTree, groupTree }: StepTrees,
  target: TargetFiles,
  signal: { readonly aborted: boolean },
): Promise<void> {
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
}

/** Walks of client directories, shared by the steps of a job. */
export type Opened = Map<HostTree, TreeFiles>;

/** Runs `use` on the files of a tree, which is mounted for as long if need be. */
export function withTree<T>(
  spec: TreeSpec,
  opened: Opened,
  mountParent: string,
  use: (files: TreeFiles) => Promise<T>,
): Promise<T> {
  if (spec.kind === 'scratch') return withEmptyTree(mountParent, use);
  if (spec.kind === 'mount') {
    return withMount(spec.mount, (path) => use(new MountedFiles(toBinary(path))), mountParent);
  }
  const files = opened.get(spec.tree) ?? new HostFiles(spec.tree);
  opened.set(spec.tree, files);
  return use(files);
}

/** Scratch has a root, which can be copied like that of any tree. */
async function withEmptyTree<T>(parent: string, use: (files: TreeFiles) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(parent, 'scratch-'));
  try {
    chmodSync(directory, ROOT_MODE);
    return await use(new MountedFiles(toBinary(directory)));
  } finally {
    rmdirSync(directory);
  }
}
