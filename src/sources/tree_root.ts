/** Writing files of a new layer that lies over nothing. */
import type { ActiveSnapshot, Snapshot } from '../snapshots/contract.ts';

/**
 * Hands the layer's directory to `write`, then commits; discards it when `write` fails, or when `write` found that
 * there is the same layer already. A layer over scratch is a plain directory with every snapshotter: an overlay needs
 * something to lie over.
 */
export async function writeLayer<T>(
  active: ActiveSnapshot,
  write: (root: string) => Promise<{ result: T; instead?: Snapshot | undefined }>,
): Promise<{ snapshot: Snapshot; result: T }> {
  let written: { result: T; instead?: Snapshot | undefined };
  try {
    if (active.mount.kind !== 'dir') throw new Error('a layer over scratch is not a directory');
    written = await write(active.mount.path);
  } catch (error) {
    await active.discard();
    throw error;
  }
  const { result, instead } = written;
  if (instead === undefined) return { snapshot: await active.commit(), result };
  await active.discard();
  return { snapshot: instead, result };
}
