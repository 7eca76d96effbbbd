/** What the two ways of keeping files, overlay and native, have in common. */
import type { JobPool } from '../platform/contract.ts';
import type { Store } from '../store/contract.ts';
import type { MountSpec, Snapshot } from './contract.ts';
import type { Directories } from './directories.ts';
import type { DiffSpec } from './jobs/tar.ts';
import type { FetchOptions, LayerBlobs } from './layer_blobs.ts';
import type { Format, LayerRow, SnapshotRecords } from './records.ts';

export interface SnapshotterParts {
  store: Store;
  records: SnapshotRecords;
  directories: Directories;
  blobs: LayerBlobs;
  jobs: JobPool;
}

/** A directory that is being written to, over a parent. */
export interface ActiveDirectory {
  mount: MountSpec;
  /** Its place under the temporary names. */
  base: string;
}

export interface Snapshotter {
  readonly format: Format;
  /** True when every layer is unpacked, or can be. */
  usable(snapshot: Snapshot): boolean;
  /** Makes the directories that {@link view} needs. */
  unpack(snapshot: Snapshot, options: FetchOptions): Promise<void>;
  /** Read-only. The snapshot is unpacked. */
  view(snapshot: Snapshot): MountSpec;
  /** The parent is unpacked. */
  begin(parent: Snapshot | undefined, options: FetchOptions): Promise<ActiveDirectory>;
  /**
   * Gives what was written its name, as the top `layer` of `snapshot`, in the transaction that records it.
   * @returns the id that the directory is to be recorded under
   */
  finish(active: ActiveDirectory, snapshot: string, layer: string): string;
  /** What this layer is the difference of; undefined: its files are not here. */
  diffOf(layer: LayerRow): DiffSpec | undefined;
}

/** Tells `extracting …` while `work` runs. */
export async function extracting<T>(
  what: string,
  { progress }: FetchOptions,
  work: () => Promise<T>,
): Promise<T> {
  const id = `extracting ${what}`;
  const started = new Date();
  progress?.status({ id, name: 'extract', current: 0, total: 0, started });
  const result = await work();
  progress?.status({ id, name: 'extract', current: 0, total: 0, started, completed: new Date() });
  return result;
}

/** The part of the options that jobs and stores take. */
export function signalOf({ signal }: FetchOptions): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
