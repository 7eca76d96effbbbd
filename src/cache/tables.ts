/** The cache room's tables. */
import type { SchemaPart } from '../store/contract.ts';

/**
 * `cache_link`: from the key of an input to the key of a record. `cache_result`: a snapshot under a key, the
 * empty id for scratch. There is no table of keys: a key is what links or results mention. A root's id is its
 * record digest. These two are only ever read by prefixes of their keys or of the indexes beside them. `cache_collection` has the
 * time of the last automatic collection, in Unix milliseconds.
 */
export const CACHE_TABLES: SchemaPart = {
  room: 'cache',
  create: `
    CREATE TABLE IF NOT EXISTS cache_link (
      source TEXT NOT NULL, record TEXT NOT NULL, input INTEGER NOT NULL, selector TEXT NOT NULL,
      target TEXT NOT NULL,
      PRIMARY KEY (record, input, selector, source, target)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS cache_link_source ON cache_link (source);
    CREATE INDEX IF NOT EXISTS cache_link_target ON cache_link (target);
    CREATE TABLE IF NOT EXISTS cache_result (
      key TEXT NOT NULL, snapshot TEXT NOT NULL, created_at INTEGER NOT NULL,
      PRIMARY KEY (key, snapshot)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS cache_result_snapshot ON cache_result (snapshot);
    CREATE TABLE IF NOT EXISTS cache_collection (id INTEGER PRIMARY KEY, at INTEGER NOT NULL);
  `,
};
