/** Worker entry of the snapshot tests: this room's jobs, and one that looks into mounts. */
import { execFileSync } from 'node:child_process';
import { serveJobs } from '../../src/platform/worker-thread.ts';
import type { MountSpec } from '../../src/snapshots/contract.ts';
import { snapshotJobs } from '../../src/snapshots/jobs.ts';
import { withMount } from '../../src/snapshots/mounts.ts';

serveJobs({
  ...snapshotJobs,
  'test.shell': ({ mount, script }: { mount: MountSpec; script: string }) =>
    withMount(mount, (path) =>
      execFileSync('sh', ['-ec', `umask 022; cd "$DIR"; ${script}`], {
        env: { ...process.env, DIR: path },
        encoding: 'utf8',
        maxBuffer: 64 << 20,
      }),
    ),
});
