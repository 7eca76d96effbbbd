/** Overlay snapshotter: a directory per layer, stacked by the kernel. */
import type { Digest } from '../content/contract.ts';
import { CairnError } from '../errors/error.ts';
import type { MountSpec, Snapshot } from './contract.ts';
import type { DiffSpec, UnpackArgs, Unpacked } from './jobs/tar.ts';
import type { FetchOptions } from './layer_blobs.ts';
import { Once } from './once.ts';
import { toBinary } from './names.ts';
import type { Format, LayerRow } from './records.ts';
import {
  extracting,
  signalOf,
  type ActiveDirectory,
  type Snapshotter,
  type SnapshotterParts,
} from './snapshotter.ts';

export class OverlaySnapshotter implements Snapshotter {
  readonly format: Exclude<Format, 'native'>;
  readonly #parts: SnapshotterParts;
  readonly #unpacking = new Once<void>();

  constructor(parts: SnapshotterParts, format: Exclude<Format, 'native'>) {
    this.#parts = parts;
    this.format = format;
  }

  usable(snapshot: Snapshot): boolean {
    return snapshot.layers.every(({ id }) => this.#has(id) || this.#parts.blobs.available(id).length > 0);
  }

  async unpack(snapshot: Snapshot, options: FetchOptions): Promise<void> {
    const missing = snapshot.layers.filter(({ id }) => !this.#has(id));
    if (missing.length === 0) return;
    // All blobs come at once; the directories are made in order, since a layer may refer to files below it.
    const fetched = new Map(missing.map(({ id }) => [id, this.#parts.blobs.fetch(id, options)]));
    for (const blob of fetched.values()) blob.catch(() => {});
    for (const [id, blob] of fetched) {
      const { digest } = await blob;
      await this.#unpacking.run(id, options.signal, () => this.#unpackLayer(id, digest, options));
    }
  }

  view(snapshot: Snapshot): MountSpec {
    const { directories, records } = this.#parts;
    const lowers = this.#lowers(snapshot);
    const [only] = lowers;
    if (only === undefined) return { kind: 'dir', path: directories.empty(), readonly: true };
    const [layer] = snapshot.layers;
    const single = lowers.length === 1 && layer !== undefined;
    if (single && records.directory(this.format, layer.id)?.whiteouts !== true) {
      return { kind: 'dir', path: only, readonly: true };
    }
    // The kernel wants two lower directories; the empty one also hides the whiteouts of a single layer.
    if (single) lowers.push(directories.empty());
    return { kind: 'overlay', lowers, userxattr: this.#userxattr };
  }

  begin(parent: Snapshot | undefined): Promise<ActiveDirectory> {
    const lowers = parent === undefined ? [] : this.#lowers(parent);
    const { base, fs, work } = this.#parts.directories.begin(lowers[0]);
    const mount: MountSpec =
      lowers.length === 0
        ? { kind: 'dir', path: fs, readonly: false }
        : { kind: 'overlay', lowers, upper: fs, work, userxattr: this.#userxattr };
    return Promise.resolve({ mount, base });
  }

  finish(active: ActiveDirectory, _snapshot: string, layer: string): string {
    this.#parts.directories.publish(active.base, this.format, layer);
    return layer;
  }

  diffOf(layer: LayerRow): DiffSpec | undefined {
    if (!this.#has(layer.id)) return undefined;
    const origin = this.#parts.records.snapshot(layer.origin);
    if (origin === undefined) return undefined;
    const below = origin.layers.slice(0, -1);
    // Where a lower layer has no directory, what the upper one deletes cannot be told.
    if (!below.every(({ id }) => this.#has(id))) return undefined;
    return {
      kind: 'overlay',
      upper: this.#path(layer.id),
      lower: below.length === 0 ? undefined : this.view({ ...origin, layers: below }),
      mountParent: this.#parts.directories.mountParent(),
    };
  }

  get #userxattr(): boolean {
    return this.format === 'overlay-user';
  }

  /** Topmost first. A layer that is in the stack twice counts where it is uppermost: it hides itself below. */
  #lowers(snapshot: Snapshot): string[] {
    return [...new Set(snapshot.layers.toReversed().map(({ id }) => this.#path(id)))];
  }

  #has(layer: string): boolean {
    return this.#parts.records.directory(this.format, layer) !== undefined;
  }

  #path(layer: string): string {
    return this.#parts.directories.path(this.format, layer);
  }

  /** Over the layers that it was made over: the same files come out whatever stack it is in now. */
  async #unpackLayer(id: string, digest: Digest, options: FetchOptions): Promise<void> {
    const { blobs, directories, jobs, records, store } = this.#parts;
    if (this.#has(id)) return;
    const row = records.layer(id);
    const origin = row === undefined ? undefined : records.snapshot(row.origin);
    if (row === undefined || origin === undefined) {
      throw new CairnError(`layer ${id} was collected`, { code: 'NOT_FOUND' });
    }
    const below = { ...origin, layers: origin.layers.slice(0, -1) };
    await this.unpack(below, options);
    const lowers = this.#lowers(below);
    const { base, fs } = directories.begin(lowers[0]);
    try {
      const args: UnpackArgs = {
        blob: blobs.path(digest),
        diffID: row.diffID,
        target: {
          root: toBinary(fs),
          format: {
            kind: 'overlay',
            opaque: this.#userxattr ? 'user.overlay.opaque' : 'trusted.overlay.opaque',
          },
          lowers: lowers.map(toBinary),
        },
      };
      const { whiteouts } = await extracting(digest, blobs.shownAt(digest, options), () =>
        blobs.blaming(id, digest, options.signal, () =>
          jobs.run<UnpackArgs, Unpacked>('snapshots.unpack', args, signalOf(options)),
        ),
      );
      store.transaction(() => {
        blobs.confirm(id, digest);
        // Another process may have been faster: its files are equal.
        if (this.#has(id)) return;
        directories.publish(base, this.format, id);
        records.addDirectory(this.format, id, whiteouts);
      });
    } finally {
      await directories.remove(base);
    }
  }
}
