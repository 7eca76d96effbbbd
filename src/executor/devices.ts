/**
 * A step's /dev, made by us where crun's would differ from runc's: crun links /dev/core to /proc/kcore also where the
 * kernel has none. What crun finds bound at /dev it leaves as it is. To have it take the link away in a hook would
 * start three programs for each step.
 */
import { chmodSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { mknod, S_IFCHR } from '../platform/syscalls_files.ts';
import { MNT_DETACH, mount, MS_NOSUID, MS_STRICTATIME, umount2 } from '../platform/syscalls_mount.ts';
import type { Cleanup } from './cleanup.ts';
import type { OciSpec } from './oci_spec.ts';

/** The devices and links that the runtime specification wants in each container (runtime-spec 1.0, config-linux.md). */
const DEVICES: [name: string, major: number, minor: number][] = [
  ['null', 1, 3],
  ['zero', 1, 5],
  ['full', 1, 7],
  ['random', 1, 8],
  ['urandom', 1, 9],
  ['tty', 5, 0],
];
const LINKS: [name: string, target: string][] = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
  ['ptmx', 'pts/ptmx'],
];
/** Where the specification mounts something. */
const MOUNT_POINTS = ['pts', 'shm', 'mqueue'];

/** False where devices cannot be made, and where the step gets more of them, which the runtime then makes. */
export function canMakeDevices({ linux, mounts }: OciSpec, rootless: boolean): boolean {
  return !rootless && linux.devices === undefined && mounts.some(isDev);
}

/** Mounts a /dev below the bundle, and has the runtime bind it. */
export function bindDevices(oci: OciSpec, bundle: string, cleanup: Cleanup): void {
  const dev = join(bundle, 'dev');
  mkdirSync(dev);
  mount('tmpfs', dev, 'tmpfs', MS_NOSUID | MS_STRICTATIME, 'mode=755,size=65536k');
  cleanup.add(() => umount2(dev, MNT_DETACH));
  for (const [name, major, minor] of DEVICES) {
    mknod(join(dev, name), S_IFCHR | 0o666, major, minor);
    // Whatever the umask.
    chmodSync(join(dev, name), 0o666);
  }
  for (const [name, target] of LINKS) symlinkSync(target, join(dev, name));
  for (const name of MOUNT_POINTS) mkdirSync(join(dev, name));
  oci.mounts = oci.mounts.map((each) =>
    isDev(each)
      ? { destination: '/dev', type: 'bind', source: dev, options: ['bind', 'nosuid', 'strictatime'] }
      : each,
  );
}

function isDev({ destination, type }: OciSpec['mounts'][number]): boolean {
  return destination === '/dev' && type === 'tmpfs';
}
