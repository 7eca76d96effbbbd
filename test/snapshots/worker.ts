/** Worker entry of the snapshot tests: this room's jobs, and some that look into mounts. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { enterPrivateMounts, umount2 } from '../../src/platform/syscalls_mount.ts';
import { serveJobs } from '../../src/platform/worker_thread.ts';
import type { MountSpec } from '../../src/snapshots/contract.ts';
import { snapshotJobs } from '../../src/snapshots/jobs.ts';
import { entriesTar } from '../../src/snapshots/jobs/tar.ts';
import { mountByDescriptors, withMount, type OverlaySpec } from '../../src/snapshots/mounts.ts';

function shell(directory: string, script: string): string {
  return execFileSync('sh', ['-ec', `umask 022; cd "$DIR"; ${script}`], {
    env: { ...process.env, DIR: directory },
    encoding: 'utf8',
    maxBuffer: 64 << 20,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

serveJobs({
  ...snapshotJobs,
  'test.entriesTar': entriesTar,
  'test.shell': ({ mount, script }: { mount: MountSpec; script: string }) =>
    withMount(mount, (path) => shell(path, script)),
  /** As on a kernel without the newer calls. */
  'test.oldMount': ({ mount, script }: { mount: OverlaySpec; script: string }) => {
    const target = mkdtempSync(join(tmpdir(), 'cairn-mount-'));
    enterPrivateMounts();
    if (mount.work !== undefined) mkdirSync(mount.work);
    try {
      mountByDescriptors(mount, target);
      try {
        return shell(target, script);
      } finally {
        umount2(target);
      }
    } finally {
      rmdirSync(target);
    }
  },
});
