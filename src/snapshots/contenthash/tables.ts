/** What the store remembers of content digests. All of it can be made again. Opened after the snapshots' tables. */
import type { SchemaPart } from '../../store/contract.ts';

export const CONTENT_HASH_TABLES: SchemaPart = {
  room: 'contenthash',
  create: `
    -- Files of client directories, one row per directory: names joined by NUL; per name device, inode, size,
    -- mtime and ctime in ns as 64-bit integers; per name the digest's 32 bytes.
    CREATE TABLE IF NOT EXISTS contenthash_host (
      directory BLOB PRIMARY KEY, names BLOB NOT NULL, stats BLOB NOT NULL, digests BLOB NOT NULL
    ) WITHOUT ROWID;
    -- Answers for snapshots, and the tree index that they came from.
    CREATE TABLE IF NOT EXISTS contenthash_query (
      snapshot TEXT NOT NULL, query TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (snapshot, query)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS contenthash_index (snapshot TEXT PRIMARY KEY, tree TEXT NOT NULL);
    CREATE TRIGGER IF NOT EXISTS contenthash_forget AFTER DELETE ON snapshot BEGIN
      DELETE FROM contenthash_query WHERE snapshot = OLD.id;
      DELETE FROM contenthash_index WHERE snapshot = OLD.id;
    END;`,
};
