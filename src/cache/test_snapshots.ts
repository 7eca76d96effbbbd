/** Snapshots without files, for tests of rooms that only pass them on. */
import { createHash } from 'node:crypto';
import { ANNOTATION_UNCOMPRESSED, type Digest } from '../content/contract.ts';
import type { RemoteLayer, Snapshot, SnapshotStore, SnapshotUsage } from '../snapshots/contract.ts';

export interface TestSnapshots extends SnapshotStore {
  /** A snapshot of these layers; the same names give the same snapshot. */
  make(...layers: string[]): Snapshot;
  /** Collects it. */
  lose(snapshot: Snapshot): void;
  /** What usage() answers. */
  readonly records: Map<string, SnapshotUsage>;
  readonly deleted: string[];
}

export function digestOf(text: string): Digest {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

/** Layers that were imported are named by their digest. */
function diffIDOf(layer: string): Digest {
  return layer.startsWith('sha256:') ? (layer as Digest) : digestOf(layer);
}

/** Names of the layers of a snapshot made here, lowest first. */
export function layersOf(snapshot: Snapshot): string[] {
  return snapshot.layers.map((layer) => layer.id);
}

export function testSnapshots(): TestSnapshots {
  const all = new Map<string, Snapshot>();
  const records = new Map<string, SnapshotUsage>();
  const deleted: string[] = [];
  const providers = new Map<string, RemoteLayer>();
  // Layers whose blobs were made.
  const made = new Set<string>();
  const unsupported = (): never => {
    throw new Error('not part of the test');
  };
  const make = (...layers: string[]): Snapshot => {
    const id = createHash('sha256').update(layers.join('\n')).digest('hex').slice(0, 16);
    const known = all.get(id);
    if (known !== undefined) return known;
    const snapshot: Snapshot = {
      kind: 'snapshot',
      id,
      layers: layers.map((layer) => ({ id: layer, diffID: diffIDOf(layer) })),
    };
    all.set(id, snapshot);
    return snapshot;
  };
  return {
    records,
    deleted,
    make,
    lose: (snapshot) => all.delete(snapshot.id),
    get: (id) => all.get(id),
    usable: (snapshot) => all.has(snapshot.id),
    layersHere: ({ layers }) => layers.length,
    touch() {},
    forgetProvider: unsupported,
    disbelieve: unsupported,
    mendBlob: unsupported,
    mendDirectories: unsupported,
    fetch: unsupported,
    makeBlob: unsupported,
    fromLayers(layers) {
      for (const layer of layers) providers.set(layer.diffID, layer);
      return Promise.resolve(make(...layers.map((layer) => layer.diffID)));
    },
    remote(snapshot, _, options) {
      const descriptors = snapshot.layers.map((layer) => {
        const known = providers.get(layer.id);
        return (
          known?.descriptor ?? {
            mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
            digest: digestOf(`blob of ${layer.id}`),
            size: layer.id.length,
            annotations: { [ANNOTATION_UNCOMPRESSED]: layer.diffID ?? '' },
          }
        );
      });
      if (options?.existingOnly === true) {
        const there = snapshot.layers.every((layer) => providers.has(layer.id) || made.has(layer.id));
        if (!there) return Promise.resolve(undefined);
      }
      for (const layer of snapshot.layers) made.add(layer.id);
      return Promise.resolve({ descriptors, provider: { read: unsupported } });
    },
    usage: () => [...records.values()],
    delete(id) {
      deleted.push(id);
      const size = records.get(id)?.size ?? 0;
      records.delete(id);
      all.delete(id);
      return Promise.resolve(size);
    },
    sweep: () => Promise.resolve(0),
    prepare: unsupported,
    view: unsupported,
    merge: unsupported,
    diff: unsupported,
    fromHostTree: unsupported,
    fromTar: unsupported,
  };
}
