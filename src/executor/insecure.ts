/** `RUN --security=insecure` (BuildKit util/entitlements/security, v0.32.2): everything this process may do itself. */
import { closeSync, openSync } from 'node:fs';
import { bind, checked } from '../platform/libc.ts';
import { currentCapabilities } from './capabilities.ts';
import type { OciDevice, OciSpec } from './oci_spec.ts';

/** Loop devices above the first free one that a step gets to see. */
const SPARE_LOOP_DEVICES = 7;

const DEVICES: OciDevice[] = [
  { path: '/dev/kmsg', type: 'c', major: 1, minor: 11 },
  { path: '/dev/cuse', type: 'c', major: 10, minor: 203 },
  { path: '/dev/fuse', type: 'c', major: 10, minor: 229 },
  { path: '/dev/kvm', type: 'c', major: 10, minor: 232 },
  { path: '/dev/net/tun', type: 'c', major: 10, minor: 200 },
  { path: '/dev/loop-control', type: 'c', major: 10, minor: 237 },
];

/** Lifts the guards of `oci`: capabilities, masks, the device list, read-only /sys; in place. */
export function applyInsecure(oci: OciSpec, rootless: boolean): void {
  const all = currentCapabilities();
  const { capabilities } = oci.process;
  const more = (set: readonly string[]): string[] => [...new Set([...set, ...all])];
  capabilities.bounding = more(capabilities.bounding);
  capabilities.effective = more(capabilities.effective);
  capabilities.permitted = more(capabilities.permitted);
  capabilities.inheritable = all;
  capabilities.ambient = all;
  oci.linux.maskedPaths = [];
  oci.linux.readonlyPaths = [];
  if (oci.linux.resources !== undefined) {
    oci.linux.resources.devices = [
      { allow: true, type: 'c', access: 'rwm' },
      { allow: true, type: 'b', access: 'rwm' },
    ];
  }
  for (const mount of oci.mounts) {
    if (mount.type === 'cgroup' || mount.type === 'sysfs') {
      mount.options = mount.options.map((option) => (option === 'ro' ? 'rw' : option));
    }
  }
  if (!rootless) oci.linux.devices = [...DEVICES, ...loopDevices()];
}

function loopDevices(): OciDevice[] {
  return Array.from({ length: firstFreeLoop() + SPARE_LOOP_DEVICES + 1 }, (_, minor) => ({
    path: `/dev/loop${minor}`,
    type: 'b',
    major: 7,
    minor,
  }));
}

const LOOP_CTL_GET_FREE = 0x4c82;
const ioctl = bind('int ioctl(int, ulong, long)');

function firstFreeLoop(): number {
  try {
    const fd = openSync('/dev/loop-control', 'r+');
    try {
      return checked(ioctl(fd, LOOP_CTL_GET_FREE, 0), 'ioctl');
    } finally {
      closeSync(fd);
    }
  } catch {
    // No loop driver: BuildKit too goes on with the first few names.
    return 0;
  }
}
