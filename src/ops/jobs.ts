/** Jobs of the ops room, joined with the others' in engine/worker.ts. */
import type { JobMap } from '../platform/contract.ts';
import { fileJobs } from './file/jobs.ts';

export const opJobs: JobMap = { ...fileJobs };
