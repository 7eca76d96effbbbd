/** Entry of the worker threads: the jobs of every room, by name. Bundled to dist/worker.js. */
import { serveJobs } from '../platform/worker-thread.ts';
import { snapshotJobs } from '../snapshots/jobs.ts';

serveJobs({ ...snapshotJobs });
