/** Entry of the worker threads: the jobs of every room, by name. Bundled to dist/worker.cjs. */
import { serveJobs } from '../platform/worker_thread.ts';
import { executorJobs } from '../executor/jobs.ts';
import { exporterJobs } from '../exporters/jobs.ts';
import { opJobs } from '../ops/jobs.ts';
import { snapshotJobs } from '../snapshots/jobs.ts';
import { engineJobs } from './tree_files.ts';

serveJobs({ ...snapshotJobs, ...exporterJobs, ...executorJobs, ...opJobs, ...engineJobs });
