/** Worker entry of the snapshot tests: only this room's jobs. */
import { serveJobs } from '../../src/platform/worker-thread.ts';
import { snapshotJobs } from '../../src/snapshots/jobs.ts';

serveJobs(snapshotJobs);
