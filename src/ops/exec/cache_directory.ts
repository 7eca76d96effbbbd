/** The files of a cache mount: made with the content that it begins with, once. */
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { CopyArgs } from '../../executor/copy_tree.ts';
import type { JobPool } from '../../platform/contract.ts';
import type { MountSpec } from '../../snapshots/contract.ts';
import type { CacheMount } from './cache_mounts.ts';

/** What the step mounts. `initial`: the input that the cache begins with, if it has one. */
export async function prepareCacheDirectory(
  mount: CacheMount,
  initial: MountSpec | undefined,
  pool: JobPool,
): Promise<MountSpec> {
  const files = join(mount.path, 'files');
  if (mount.layered && initial?.kind === 'overlay') {
    const work = join(mount.path, 'work');
    for (const directory of [files, work]) mkdirSync(directory, { recursive: true });
    return { kind: 'overlay', lowers: initial.lowers, upper: files, work, userxattr: initial.userxattr };
  }
  if (!existsSync(files)) await make(files, initial, pool);
  return { kind: 'dir', path: files, readonly: false };
}

/** Under another name first: others that share the cache, or come after a kill, see it whole or not at all. */
async function make(files: string, initial: MountSpec | undefined, pool: JobPool): Promise<void> {
  const unborn = `${files}.${randomBytes(6).toString('hex')}`;
  mkdirSync(unborn);
  chmodSync(unborn, 0o755);
  try {
    if (initial !== undefined) {
      const args: CopyArgs = { from: initial, to: unborn };
      await pool.run<CopyArgs, void>('exec.copy', args, { lane: 'exec' });
    }
    renameSync(unborn, files);
  } catch (error) {
    rmSync(unborn, { recursive: true, force: true });
    // Another step that shares the cache was first.
    if (!existsSync(files)) throw error;
  }
}
