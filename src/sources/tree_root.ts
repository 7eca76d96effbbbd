/** Writing files of a new layer that lies over nothing. */
import type { ActiveSnapshot, Snapshot } from '../snapshots/contract.ts';

/**
 * Hands the layer's directory to `write`, then commits; discards it when `write` fails. A layer over scratch is a
 * plain directory with every snapshotter: an overlay needs something to lie over.
 */
export async function writeLayer(
  active: ActiveSnapshot,
  write: (root: string) => Promise<void>,
): Promise<Snapshot> {
  try {
    if (active.mount.kind !== 'dir') throw new Error('a layer over scratch is not a directory');
    await write(active.mount.path);
  } catch (error) {
    await active.discard();
    throw error;
  }
  return active.commit();
}
