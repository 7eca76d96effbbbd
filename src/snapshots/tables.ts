/** Tables of the snapshots room. README.md explains what they refer to on disk. */
import type { SchemaPart } from '../store/contract.ts';

export const snapshotTables: SchemaPart = {
  room: 'snapshots',
  create: `
  CREATE TABLE IF NOT EXISTS layer (
    id TEXT PRIMARY KEY,
    diff_id TEXT,
    chain_id TEXT,           -- of the stack that this layer was made on top of, itself included
    origin TEXT NOT NULL,    -- the snapshot that it was made as the top of
    created_at INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS layer_chain ON layer (chain_id);
  CREATE TABLE IF NOT EXISTS layer_blob (
    layer TEXT NOT NULL,
    digest TEXT NOT NULL,
    descriptor TEXT NOT NULL,    -- JSON
    compression TEXT NOT NULL,   -- a CompressionType
    provisional INTEGER NOT NULL DEFAULT 0,  -- only to unpack from: nobody asked for this format
    PRIMARY KEY (layer, digest)
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS layer_blob_digest ON layer_blob (digest);
  CREATE TABLE IF NOT EXISTS directory (
    format TEXT NOT NULL,        -- overlay, overlay-user: of a layer; native: of a whole snapshot
    id TEXT NOT NULL,
    size INTEGER,                -- bytes on disk; null: not measured yet
    whiteouts INTEGER NOT NULL,  -- it may hold whiteouts: not a file system by itself
    PRIMARY KEY (format, id)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS snapshot (
    id TEXT PRIMARY KEY,
    description TEXT NOT NULL,
    type TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER,
    usage_count INTEGER NOT NULL DEFAULT 0
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS snapshot_layer (
    snapshot TEXT NOT NULL, position INTEGER NOT NULL, layer TEXT NOT NULL,
    PRIMARY KEY (snapshot, position)
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS snapshot_layer_layer ON snapshot_layer (layer);
  CREATE TABLE IF NOT EXISTS snapshot_parent (
    snapshot TEXT NOT NULL, parent TEXT NOT NULL, PRIMARY KEY (snapshot, parent)
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS snapshot_parent_parent ON snapshot_parent (parent);
  CREATE TABLE IF NOT EXISTS snapshotter_trial (
    machine TEXT PRIMARY KEY, format TEXT NOT NULL
  ) WITHOUT ROWID;`,
};
