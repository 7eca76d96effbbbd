/** Jobs of the executor room, joined with the others' in engine/worker.ts; loaded when the first one runs. */
import type { Job, JobMap } from '../platform/contract.ts';
import { enterPrivateMounts } from '../platform/syscalls_mount.ts';
import type { RunArgs, WarmArgs } from './container.ts';
import type { CopyArgs } from './copy_tree.ts';
import type { ReapArgs } from './reap.ts';

const run: Job<RunArgs, void> = async (args, context) =>
  (await import('./container.ts')).runContainer(args, context);
const warm: Job<WarmArgs, void> = async (args) => {
  const { prepare } = await import('./container.ts');
  enterPrivateMounts();
  prepare(args);
};
const reap: Job<ReapArgs, void> = async (args) => (await import('./reap.ts')).reapContainers(args);
const copy: Job<CopyArgs, void> = async (args) => (await import('./copy_tree.ts')).copyTree(args);

export const executorJobs: JobMap = {
  'exec.run': run,
  'exec.warm': warm,
  'exec.reap': reap,
  'exec.copy': copy,
};
