/** The sources room's tables: which snapshot a download or a checkout became. */
import type { SchemaPart } from '../store/contract.ts';

/**
 * `source_git`: by BuildKit's snapshot key, commit and subdirectory. `source_http`: by a hash of the request, with
 * what the server said of the file; `etag` is without the weak mark, empty where there is none. Rows whose snapshot
 * was collected are dropped when they are next looked at.
 */
export const SOURCE_TABLES: SchemaPart = {
  room: 'sources',
  create: `
    CREATE TABLE IF NOT EXISTS source_git (
      key TEXT NOT NULL PRIMARY KEY, snapshot TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS source_http (
      request TEXT NOT NULL, etag TEXT NOT NULL, snapshot TEXT NOT NULL, digest TEXT NOT NULL,
      filename TEXT NOT NULL, modified TEXT NOT NULL,
      PRIMARY KEY (request, etag)
    ) WITHOUT ROWID;
  `,
};
