/** What the repositories of git sources take on disk, for `du`, `prune` and the collector. */
import { lstatSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { redact } from '../errors/error.ts';
import type { SnapshotUsage } from '../snapshots/contract.ts';
import type { Store } from '../store/contract.ts';
import { tryLockFile } from './file_lock.ts';
import { gitRepositoryPaths, GIT_FOLDER } from './git_repository.ts';

/** Of st_blocks (stat(2)). */
const BLOCK_BYTES = 512;

/** All repositories, as records of BuildKit's kind: one for each remote, used by all checkouts of it. */
export function gitRepositoryUsage(store: Store): SnapshotUsage[] {
  return namesIn(store.path(GIT_FOLDER))
    .filter((name) => /^[0-9a-f]{64}$/.test(name))
    .flatMap((id) => {
      const { gitDir, lock } = gitRepositoryPaths(store, id);
      const made = statSync(gitDir, { throwIfNoEntry: false });
      if (made === undefined) return [];
      const release = tryLockFile(lock);
      release?.();
      return [
        {
          id,
          parents: [],
          description: `shared git repo for ${remoteOf(gitDir)}`,
          type: 'regular' as const,
          size: bytesIn(gitDir),
          createdAt: made.birthtime,
          lastUsedAt: statSync(lock, { throwIfNoEntry: false })?.mtime ?? made.mtime,
          usageCount: 1,
          inUse: release === undefined,
          shared: false,
          mutable: true,
        },
      ];
    });
}

/**
 * Deletes one that no build uses; its checkouts stay.
 * @returns bytes freed; undefined: it is in use
 */
export function deleteGitRepository(store: Store, id: string): number | undefined {
  const { gitDir, lock } = gitRepositoryPaths(store, id);
  const release = tryLockFile(lock);
  if (release === undefined) return undefined;
  const garbage = store.tempPath('.git');
  try {
    const freed = bytesIn(gitDir);
    // What stands under its name is whole, also when this is killed.
    renameSync(gitDir, garbage);
    return freed;
  } finally {
    release();
    rmSync(garbage, { recursive: true, force: true });
  }
}

function remoteOf(gitDir: string): string {
  const [, url = ''] = /^\s*url = (.*)$/m.exec(readFileSync(join(gitDir, 'config'), 'utf8')) ?? [];
  return redact(url);
}

/** Bytes on disk. */
function bytesIn(path: string): number {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return 0;
  const own = stat.blocks * BLOCK_BYTES;
  if (!stat.isDirectory()) return own;
  return namesIn(path).reduce((sum, name) => sum + bytesIn(join(path, name)), own);
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
