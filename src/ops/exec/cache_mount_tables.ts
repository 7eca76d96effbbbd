import type { SchemaPart } from '../../store/contract.ts';

/** The directories of `RUN --mount=type=cache`, which outlive builds. `size` is null while it is not known. */
export const CACHE_MOUNT_TABLES: SchemaPart = {
  room: 'ops',
  create: `CREATE TABLE IF NOT EXISTS cache_mount (
    id TEXT PRIMARY KEY, key TEXT NOT NULL, description TEXT NOT NULL, layered INTEGER NOT NULL,
    created_at INTEGER NOT NULL, last_used_at INTEGER NOT NULL, usage_count INTEGER NOT NULL, size INTEGER
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS cache_mount_key ON cache_mount (key, created_at);`,
};
