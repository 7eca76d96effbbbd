/** Worker entry of the file op tests: the jobs under test, and a shell to make and look at trees with. */
import { execFileSync } from 'node:child_process';
import { opJobs } from '../../src/ops/jobs.ts';
import { serveJobs } from '../../src/platform/worker_thread.ts';
import type { MountSpec } from '../../src/snapshots/contract.ts';
import { snapshotJobs } from '../../src/snapshots/jobs.ts';
import { withMount } from '../../src/snapshots/mounts.ts';

serveJobs({
  ...snapshotJobs,
  ...opJobs,
  'test.shell': ({ mount, script }: { mount: MountSpec; script: string }) =>
    withMount(mount, (path) => execFileSync('sh', ['-euc', script], { cwd: path, encoding: 'utf8' })),
});
