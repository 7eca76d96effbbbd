/**
 * The directories of cache mounts, with BuildKit's rules of sharing (solver/llbsolver/mounts, v0.32.2), also
 * between processes: a directory in use is locked by flock(2), which the kernel takes back when a process dies.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync, mkdirSync, openSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { tryLock } from '../../platform/syscalls_files.ts';
import type { Store } from '../../store/contract.ts';

export type Sharing = 'shared' | 'private' | 'locked';

export interface CacheMount {
  readonly id: string;
  /** A directory of its own; `files` is made here, and `work` where files are layered over other ones. */
  readonly path: string;
  /** `files` are a layer over the mount's initial content, which the step has as an input. */
  readonly layered: boolean;
  release(): void;
}

export interface CacheMountRequest {
  /** What tells one cache from another: its id and, where it begins with an input's files, that input. */
  key: string;
  sharing: Sharing;
  description: string;
  /** Whether a directory that is made now shall be layered. */
  layered: boolean;
}

export const CACHE_MOUNT_FOLDER = 'cachemounts';

/** As often as BuildKit asks whether a locked cache has become free. */
const LOCK_POLL_MS = 100;

/**
 * Takes a directory for a step: one that exists and is free in the wanted way, else a new one. `locked` waits
 * for a directory that others use; `shared` has it together with others that share it; `private` gets another.
 */
export async function acquireCacheMount(
  store: Store,
  request: CacheMountRequest,
  signal: AbortSignal,
): Promise<CacheMount> {
  for (;;) {
    signal.throwIfAborted();
    const mount = store.transaction(() => takeOrMake(store, request));
    if (mount !== undefined) return mount;
    await sleep(LOCK_POLL_MS, undefined, { signal });
  }
}

/** In one transaction, so that two processes do not both make the first directory. Undefined: wait. */
function takeOrMake(store: Store, request: CacheMountRequest): CacheMount | undefined {
  const rows = store.db
    .prepare('SELECT id, layered FROM cache_mount WHERE key = ? ORDER BY created_at, id')
    .all(request.key);
  for (const row of rows) {
    const id = String(row['id']);
    const lock = lockCacheMount(store, id, request.sharing === 'shared' ? 'shared' : 'exclusive');
    if (lock === undefined) continue;
    store.db
      .prepare(
        'UPDATE cache_mount SET last_used_at = ?, usage_count = usage_count + 1, size = NULL WHERE id = ?',
      )
      .run(Date.now(), id);
    return { ...lock, id, layered: Number(row['layered']) === 1 };
  }
  if (rows.length > 0 && request.sharing === 'locked') return undefined;

  const id = randomBytes(12).toString('hex');
  const path = store.path(CACHE_MOUNT_FOLDER, id);
  mkdirSync(path, { recursive: true, mode: 0o711 });
  const lock = lockCacheMount(store, id, request.sharing === 'shared' ? 'shared' : 'exclusive');
  if (lock === undefined) return undefined;
  const now = Date.now();
  store.db
    .prepare('INSERT INTO cache_mount VALUES (?, ?, ?, ?, ?, ?, 1, NULL)')
    .run(id, request.key, request.description, request.layered ? 1 : 0, now, now);
  return { ...lock, id, layered: request.layered };
}

/** Undefined: others have it in a way that does not go together, or it is gone. */
export function lockCacheMount(
  store: Store,
  id: string,
  kind: 'shared' | 'exclusive',
): { path: string; release(): void } | undefined {
  const path = store.path(CACHE_MOUNT_FOLDER, id);
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  // Whoever held it until now may have deleted it: the lock is then on a directory that has no name any more.
  if (!tryLock(fd, kind) || fstatSync(fd).ino !== statSync(path, { throwIfNoEntry: false })?.ino) {
    closeSync(fd);
    return undefined;
  }
  let held = true;
  return {
    path,
    release() {
      if (held) closeSync(fd);
      held = false;
    },
  };
}
