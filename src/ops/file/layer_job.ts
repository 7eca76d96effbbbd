/** The job that plans what file actions would make and sends it as the tar of a layer: nothing is written before. */
import type { BlobInfo } from '../../content/contract.ts';
import { CairnError } from '../../errors/error.ts';
import type { ByteChannel } from '../../platform/byte_stream.ts';
import type { JobContext } from '../../platform/contract.ts';
import type { LayerEntry, MountSpec } from '../../snapshots/contract.ts';
import { entriesTar } from '../../snapshots/jobs/tar.ts';
import { asFailure, doing, isFailure } from './failure.ts';
import { idMaps } from './id_maps.ts';
import { layerEntries } from './layer_entries.ts';
import { NeedsDisk } from './needs_disk.ts';
import { PlannedTarget } from './planned_target.ts';
import { runAction, withTree, type FileStep, type Opened, type TreeSpec } from './steps.ts';
import { NO_FILES, type TreeFiles } from './tree_files.ts';

export interface FileLayerArgs {
  /** What the layer is made over, read-only; undefined: scratch. */
  base: MountSpec | undefined;
  steps: FileStep[];
  /** Where mount points are made. */
  mountParent: string;
  /** Whether the tar is hashed as well. */
  hash: boolean;
}

/**
 * All trees stay mounted until the last byte was read.
 * @throws NeedsDisk before anything was sent; CairnError SOLVE for files that changed meanwhile
 */
export async function fileLayer(
  { base, steps, mountParent, ...destination }: FileLayerArgs & { channel: ByteChannel },
  context: JobContext,
): Promise<BlobInfo | undefined> {
  const below: TreeSpec = base === undefined ? { kind: 'scratch' } : { kind: 'mount', mount: base };
  const specs = [below, ...steps.flatMap(({ source, userTree, groupTree }) => [source, userTree, groupTree])];
  return withTrees(specs, mountParent, async (trees) => {
    const entries = await plan(trees(below), steps, trees, context);
    try {
      return doing('failed to copy files', () => entriesTar({ entries, ...destination }, context));
    } catch (error) {
      throw asFailure(
        error,
        specs.map((spec) => trees(spec).root),
      );
    }
  });
}

async function plan(
  base: TreeFiles,
  steps: readonly FileStep[],
  trees: (spec: TreeSpec) => TreeFiles,
  { signal }: JobContext,
): Promise<Iterable<LayerEntry>> {
  const target = new PlannedTarget(base, idMaps());
  try {
    for (const step of steps) {
      const { source, userTree, groupTree } = step;
      const read = { source: trees(source), userTree: trees(userTree), groupTree: trees(groupTree) };
      await runAction(step, read, target, signal);
    }
    return layerEntries(target);
  } catch (error) {
    // What fails here fails on the disk too, and there in the words that users know.
    if (isFailure(error) && !(error instanceof CairnError && error.code === 'CANCELED')) {
      throw new NeedsDisk('the actions fail');
    }
    throw error;
  }
}

/** Mounts each of several trees once. */
function withTrees<T>(
  specs: readonly TreeSpec[],
  mountParent: string,
  use: (trees: (spec: TreeSpec) => TreeFiles) => Promise<T>,
): Promise<T> {
  const distinct = [...new Map(specs.map((spec) => [nameOf(spec), spec]))];
  const opened: Opened = new Map();
  const files = new Map<string, TreeFiles>();
  const next = (index: number): Promise<T> => {
    const [name, spec] = distinct[index] ?? [];
    if (name === undefined || spec === undefined) return use((of) => files.get(nameOf(of)) ?? NO_FILES);
    return withTree(spec, opened, mountParent, (tree) => {
      files.set(name, tree);
      return next(index + 1);
    });
  };
  return next(0);
}

function nameOf(spec: TreeSpec): string {
  return JSON.stringify(spec);
}
