/**
 * A tmpfs on a directory that is there has that directory's mode, by runc; by other runtimes its own, 1777. Theirs is
 * mounted here and bound, so that the step does not see the mode among the options of the mount either.
 */
import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { MNT_DETACH, mount, MS_NOSUID, umount2 } from '../platform/syscalls_mount.ts';
import type { Cleanup } from './cleanup.ts';
import type { OciMount } from './oci_spec.ts';
import { rootPath } from './root_path.ts';

/** `mounts` with every tmpfs without a mode that covers a directory exchanged for a bind of one with its mode. */
export function withCoveredModes(
  root: string,
  mounts: readonly OciMount[],
  bundle: string,
  cleanup: Cleanup,
): OciMount[] {
  return mounts.map((entry, index) => {
    const { destination, type, options } = entry;
    if (type !== 'tmpfs' || options.some((option) => option.startsWith('mode='))) return entry;
    const mode = modeOfDirectory(coveredPath(root, mounts.slice(0, index), destination));
    if (mode === undefined) return entry;
    const source = join(bundle, `tmpfs-${index}`);
    mkdirSync(source, { mode: 0o700 });
    mount('tmpfs', source, 'tmpfs', MS_NOSUID, options.filter((option) => option.includes('=')).join(','));
    cleanup.add(() => umount2(source, MNT_DETACH));
    chmodSync(source, mode);
    return {
      destination,
      type: 'bind',
      source,
      options: ['bind', ...options.filter((option) => !option.includes('='))],
    };
  });
}

/** Where on the machine is what a mount covers: in the root file system or in what is bound above it. */
function coveredPath(root: string, earlier: readonly OciMount[], destination: string): string | undefined {
  const above = earlier.findLast((other) => destination.startsWith(`${other.destination}/`));
  if (above === undefined) return rootPath(root, destination);
  return above.type === 'bind'
    ? rootPath(above.source, destination.slice(above.destination.length))
    : undefined;
}

function modeOfDirectory(path: string | undefined): number | undefined {
  if (path === undefined) return undefined;
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat?.isDirectory() === true ? stat.mode & 0o7777 : undefined;
  } catch (error) {
    // Below a file: the runtime says so in its own words.
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined;
    throw error;
  }
}
