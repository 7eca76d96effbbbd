import { spawn } from 'node:child_process';
import { withMount } from '../snapshots/mounts.ts';
import type { MountSpec } from '../snapshots/contract.ts';

export interface CopyArgs {
  from: MountSpec;
  /** An existing directory. */
  to: string;
}

/** The job `exec.copy`: all files with owners, modes, times, links and xattrs, by cp(1). */
export async function copyTree({ from, to }: CopyArgs): Promise<void> {
  await withMount(from, (path) => {
    // join() would take the dot away, and with it the meaning: what is in the directory, not the directory.
    const child = spawn('cp', ['-a', `${path}/.`, to], { stdio: ['ignore', 'ignore', 'pipe'] });
    let message = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (message ||= text));
    return new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) =>
        code === 0 ? resolve() : reject(new Error(`a cache mount cannot be filled: ${message.trim()}`)),
      );
    });
  });
}
