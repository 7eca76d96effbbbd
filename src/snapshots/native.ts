/** Native snapshotter: a whole tree per snapshot, for file systems and users that cannot mount overlays. */
import type { Digest } from '../content/contract.ts';
import type { MountSpec, Snapshot } from './contract.ts';
import type { DiffSpec } from './jobs/tar.ts';
import type { BuildTreeArgs, LayerSource } from './jobs/trees.ts';
import type { FetchOptions } from './layer_blobs.ts';
import { Once } from './once.ts';
import { snapshotId, type LayerRow } from './records.ts';
import {
  extracting,
  signalOf,
  type ActiveDirectory,
  type Snapshotter,
  type SnapshotterParts,
} from './snapshotter.ts';

export class NativeSnapshotter implements Snapshotter {
  readonly format = 'native';
  readonly #parts: SnapshotterParts;
  readonly #unpacking = new Once<void>();

  constructor(parts: SnapshotterParts) {
    this.#parts = parts;
  }

  usable(snapshot: Snapshot): boolean {
    if (this.#has(snapshot.id)) return true;
    return snapshot.layers.every(({ id }) => {
      if (this.#parts.blobs.available(id).length > 0) return true;
      const row = this.#parts.records.layer(id);
      return row !== undefined && this.diffOf(row) !== undefined;
    });
  }

  unpack(snapshot: Snapshot, options: FetchOptions): Promise<void> {
    if (snapshot.layers.length === 0 || this.#has(snapshot.id)) return Promise.resolve();
    return this.#unpacking.run(snapshot.id, options.signal, () => this.#build(snapshot, options));
  }

  view(snapshot: Snapshot): MountSpec {
    const { directories } = this.#parts;
    const empty = snapshot.layers.length === 0;
    const path = empty ? directories.empty() : directories.path(this.format, this.#id(snapshot));
    return { kind: 'dir', path, readonly: true };
  }

  async begin(parent: Snapshot | undefined, options: FetchOptions): Promise<ActiveDirectory> {
    const { directories, jobs } = this.#parts;
    const { base, fs } = directories.begin();
    if (parent !== undefined && parent.layers.length > 0) {
      try {
        const from = directories.path(this.format, this.#id(parent));
        await jobs.run('snapshots.copyWritable', { from, to: fs }, signalOf(options));
      } catch (error) {
        await directories.remove(base);
        throw error;
      }
    }
    return { mount: { kind: 'dir', path: fs, readonly: false }, base };
  }

  finish(active: ActiveDirectory, snapshot: string): string {
    this.#parts.directories.publish(active.base, this.format, snapshot);
    return snapshot;
  }

  diffOf(layer: LayerRow): DiffSpec | undefined {
    const { directories, records } = this.#parts;
    const origin = records.snapshot(layer.origin);
    if (origin === undefined || !this.#has(origin.id)) return undefined;
    const below = { ...origin, layers: origin.layers.slice(0, -1) };
    if (below.layers.length > 0 && !this.#has(this.#id(below))) return undefined;
    return {
      kind: 'trees',
      lower: below.layers.length === 0 ? undefined : this.view(below),
      upper: { kind: 'dir', path: directories.path(this.format, origin.id), readonly: true },
      mountParent: directories.mountParent(),
    };
  }

  #has(snapshot: string): boolean {
    return this.#parts.records.directory(this.format, snapshot) !== undefined;
  }

  #id(snapshot: Snapshot): string {
    return snapshotId(snapshot.layers.map(({ id }) => id));
  }

  /** On top of the tallest part of the stack that has a tree. */
  async #build(snapshot: Snapshot, options: FetchOptions): Promise<void> {
    const { blobs, directories, jobs, records, store } = this.#parts;
    const ids = snapshot.layers.map(({ id }) => id);
    let built = ids.length - 1;
    while (built > 0 && !this.#has(snapshotId(ids.slice(0, built)))) built--;
    const sources = await Promise.all(
      ids.slice(built).map(async (id): Promise<LayerSource & { id: string; digest?: Digest }> => {
        const row = records.layer(id);
        const spec = row === undefined || blobs.available(id).length > 0 ? undefined : this.diffOf(row);
        if (spec !== undefined) return { id, kind: 'diff', spec };
        const { digest } = await blobs.fetch(id, options);
        return { id, digest, kind: 'blob', path: blobs.path(digest), diffID: row?.diffID };
      }),
    );
    const { base, fs } = directories.begin();
    try {
      const below = built === 0 ? undefined : directories.path(this.format, snapshotId(ids.slice(0, built)));
      await extracting(`${sources.length} layers`, options, async () => {
        // One by one, so that it is known which of them fails.
        for (const [index, { id, digest, ...layer }] of sources.entries()) {
          const args: BuildTreeArgs = { base: index === 0 ? below : undefined, layer, target: fs };
          const run = (): Promise<void> => jobs.run('snapshots.buildTree', args, signalOf(options));
          await (digest === undefined ? run() : blobs.blaming(id, digest, options.signal, run));
        }
      });
      store.transaction(() => {
        for (const { id, digest } of sources) if (digest !== undefined) blobs.confirm(id, digest);
        if (this.#has(snapshot.id)) return;
        directories.publish(base, this.format, snapshot.id);
        records.addDirectory(this.format, snapshot.id, false);
      });
    } finally {
      await directories.remove(base);
    }
  }
}
