/** What the database knows of snapshots: one method per question. */
import { createHash } from 'node:crypto';
import type { StatementSync } from 'node:sqlite';
import type { CompressionType, Descriptor, Digest } from '../content/contract.ts';
import type { Store } from '../store/contract.ts';
import type { Layer, RecordType, Snapshot, SnapshotMeta } from './contract.ts';

export type Format = 'overlay' | 'overlay-user' | 'native';

export interface LayerRow {
  id: string;
  diffID: Digest | undefined;
  chainID: Digest | undefined;
  origin: string;
  createdAt: Date;
}

export interface LayerBlob {
  descriptor: Descriptor;
  compression: CompressionType;
  provisional: boolean;
}

export interface SnapshotRow {
  id: string;
  description: string;
  type: RecordType;
  createdAt: Date;
  lastUsedAt: Date | undefined;
  usageCount: number;
  parents: string[];
}

type Row = Record<string, unknown>;

/** Hex digits of ids: enough that two never meet by chance. */
const ID_LENGTH = 32;

/** The id of a stack of layers: equal stacks are one snapshot. */
export function snapshotId(layers: readonly string[]): string {
  return createHash('sha256').update(layers.join('\n')).digest('hex').slice(0, ID_LENGTH);
}

export class SnapshotRecords {
  readonly #store: Store;
  readonly #statements = new Map<string, StatementSync>();

  constructor(store: Store) {
    this.#store = store;
  }

  snapshot(id: string): Snapshot | undefined {
    if (this.#get('SELECT id FROM snapshot WHERE id = ?', id) === undefined) return undefined;
    const layers = this.#all(
      `SELECT layer.id, layer.diff_id FROM snapshot_layer JOIN layer ON layer.id = snapshot_layer.layer
       WHERE snapshot = ? ORDER BY position`,
      id,
    ).map((row): Layer => {
      const diffID = text(row['diff_id']) as Digest | undefined;
      return diffID === undefined ? { id: String(row['id']) } : { id: String(row['id']), diffID };
    });
    return { kind: 'snapshot', id, layers };
  }

  rows(): SnapshotRow[] {
    const parents = new Map<string, string[]>();
    for (const row of this.#all('SELECT snapshot, parent FROM snapshot_parent')) {
      const list = parents.get(String(row['snapshot']));
      if (list === undefined) parents.set(String(row['snapshot']), [String(row['parent'])]);
      else list.push(String(row['parent']));
    }
    return this.#all('SELECT * FROM snapshot').map((row) => ({
      id: String(row['id']),
      description: String(row['description']),
      type: String(row['type']) as RecordType,
      createdAt: new Date(Number(row['created_at'])),
      lastUsedAt: row['last_used_at'] === null ? undefined : new Date(Number(row['last_used_at'])),
      usageCount: Number(row['usage_count']),
      parents: parents.get(String(row['id'])) ?? [],
    }));
  }

  /** Records a snapshot of known layers; one that is there stays as it is. Inside a transaction. */
  addSnapshot(layers: readonly string[], parents: readonly string[], meta: SnapshotMeta): string {
    const id = snapshotId(layers);
    const { changes } = this.#run(
      'INSERT OR IGNORE INTO snapshot (id, description, type, created_at) VALUES (?, ?, ?, ?)',
      id,
      meta.description,
      meta.type ?? 'regular',
      (meta.createdAt ?? new Date()).getTime(),
    );
    if (changes === 0) return id;
    for (const [position, layer] of layers.entries()) {
      this.#run('INSERT INTO snapshot_layer VALUES (?, ?, ?)', id, position, layer);
    }
    for (const parent of new Set(parents)) {
      if (parent !== id) this.#run('INSERT INTO snapshot_parent VALUES (?, ?)', id, parent);
    }
    return id;
  }

  layer(id: string): LayerRow | undefined {
    const row = this.#get('SELECT * FROM layer WHERE id = ?', id);
    return row === undefined ? undefined : layerRow(row);
  }

  layerByChain(chainID: Digest): LayerRow | undefined {
    const row = this.#get('SELECT * FROM layer WHERE chain_id = ? ORDER BY created_at LIMIT 1', chainID);
    return row === undefined ? undefined : layerRow(row);
  }

  addLayer(layer: LayerRow): void {
    this.#run(
      'INSERT OR IGNORE INTO layer (id, diff_id, chain_id, origin, created_at) VALUES (?, ?, ?, ?, ?)',
      layer.id,
      layer.diffID ?? null,
      layer.chainID ?? null,
      layer.origin,
      layer.createdAt.getTime(),
    );
  }

  setDigests(layer: string, diffID: Digest, chainID: Digest | undefined): void {
    this.#run(
      'UPDATE layer SET diff_id = ?, chain_id = coalesce(?, chain_id) WHERE id = ?',
      diffID,
      chainID ?? null,
      layer,
    );
  }

  blobs(layer: string): LayerBlob[] {
    return this.#all('SELECT * FROM layer_blob WHERE layer = ?', layer).map((row) => ({
      descriptor: JSON.parse(String(row['descriptor'])) as Descriptor,
      compression: String(row['compression']) as CompressionType,
      provisional: row['provisional'] === 1,
    }));
  }

  addBlob(layer: string, { descriptor, compression, provisional }: LayerBlob): void {
    this.#run(
      'INSERT OR IGNORE INTO layer_blob (layer, digest, descriptor, compression, provisional) VALUES (?, ?, ?, ?, ?)',
      layer,
      descriptor.digest,
      JSON.stringify(descriptor),
      compression,
      provisional ? 1 : 0,
    );
  }

  removeBlob(layer: string, digest: Digest): void {
    this.#run('DELETE FROM layer_blob WHERE layer = ? AND digest = ?', layer, digest);
  }

  hasBlob(digest: Digest): boolean {
    return this.#get('SELECT 1 FROM layer_blob WHERE digest = ?', digest) !== undefined;
  }

  directory(format: Format, id: string): { whiteouts: boolean } | undefined {
    const row = this.#get('SELECT whiteouts FROM directory WHERE format = ? AND id = ?', format, id);
    return row === undefined ? undefined : { whiteouts: row['whiteouts'] === 1 };
  }

  addDirectory(format: Format, id: string, whiteouts: boolean, size?: number): void {
    this.#run(
      'INSERT OR REPLACE INTO directory (format, id, size, whiteouts) VALUES (?, ?, ?, ?)',
      format,
      id,
      size ?? null,
      whiteouts ? 1 : 0,
    );
  }

  directories(id: string): { format: Format; size: number | undefined }[] {
    return this.#all('SELECT format, size FROM directory WHERE id = ?', id).map((row) => ({
      format: String(row['format']) as Format,
      size: row['size'] === null ? undefined : Number(row['size']),
    }));
  }

  allDirectories(): { format: Format; id: string }[] {
    return this.#all('SELECT format, id FROM directory').map((row) => ({
      format: String(row['format']) as Format,
      id: String(row['id']),
    }));
  }

  setSize(format: Format, id: string, size: number): void {
    this.#run('UPDATE directory SET size = ? WHERE format = ? AND id = ?', size, format, id);
  }

  removeDirectory(format: Format, id: string): void {
    this.#run('DELETE FROM directory WHERE format = ? AND id = ?', format, id);
  }

  touch(id: string): void {
    this.#run(
      'UPDATE snapshot SET last_used_at = ?, usage_count = usage_count + 1 WHERE id = ?',
      Date.now(),
      id,
    );
  }

  hasChildren(id: string): boolean {
    return this.#get('SELECT 1 FROM snapshot_parent WHERE parent = ?', id) !== undefined;
  }

  /** Takes out a snapshot and the layers that no other has. Inside a transaction. */
  removeSnapshot(id: string): { layers: string[]; blobs: Descriptor[] } {
    const had = this.#all('SELECT DISTINCT layer FROM snapshot_layer WHERE snapshot = ?', id);
    for (const table of ['snapshot_layer', 'snapshot_parent']) {
      this.#run(`DELETE FROM ${table} WHERE snapshot = ?`, id);
    }
    this.#run('DELETE FROM snapshot WHERE id = ?', id);
    const layers = had
      .map((row) => String(row['layer']))
      .filter((layer) => this.#get('SELECT 1 FROM snapshot_layer WHERE layer = ?', layer) === undefined);
    const blobs: Descriptor[] = [];
    for (const layer of layers) {
      blobs.push(...this.blobs(layer).map((blob) => blob.descriptor));
      this.#run('DELETE FROM layer_blob WHERE layer = ?', layer);
      this.#run('DELETE FROM layer WHERE id = ?', layer);
    }
    return { layers, blobs: blobs.filter((blob) => !this.hasBlob(blob.digest)) };
  }

  trial(machine: string): Format | undefined {
    const row = this.#get('SELECT format FROM snapshotter_trial WHERE machine = ?', machine);
    return row === undefined ? undefined : (String(row['format']) as Format);
  }

  setTrial(machine: string, format: Format): void {
    this.#run('INSERT OR REPLACE INTO snapshotter_trial VALUES (?, ?)', machine, format);
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) this.#statements.set(sql, (statement = this.#store.db.prepare(sql)));
    return statement;
  }

  #get(sql: string, ...values: (string | number | null)[]): Row | undefined {
    return this.#statement(sql).get(...values);
  }

  #all(sql: string, ...values: (string | number | null)[]): Row[] {
    return this.#statement(sql).all(...values);
  }

  #run(sql: string, ...values: (string | number | null)[]): { changes: number | bigint } {
    return this.#statement(sql).run(...values);
  }
}

function layerRow(row: Row): LayerRow {
  return {
    id: String(row['id']),
    diffID: text(row['diff_id']) as Digest | undefined,
    chainID: text(row['chain_id']) as Digest | undefined,
    origin: String(row['origin']),
    createdAt: new Date(Number(row['created_at'])),
  };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
