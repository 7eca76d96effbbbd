/** Worker entry of this room's tests. */
import { serveJobs } from '../platform/worker_thread.ts';
import { exporterJobs } from './jobs.ts';

serveJobs(exporterJobs);
