/** Jobs of the executor room, joined with the others' in engine/worker.ts. */
import type { Job, JobMap } from '../platform/contract.ts';
import { runContainer, type RunArgs } from './container.ts';
import { copyTree, type CopyArgs } from './copy_tree.ts';
import { reapContainers, type ReapArgs } from './reap.ts';

const run: Job<RunArgs, void> = runContainer;
const reap: Job<ReapArgs, void> = reapContainers;
const copy: Job<CopyArgs, void> = copyTree;

export const executorJobs: JobMap = { 'exec.run': run, 'exec.reap': reap, 'exec.copy': copy };
