/** Control groups: which kind there is, and what a group tells of its step. */
import { accessSync, constants, existsSync, readFileSync, rmdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { enterPrivateMounts, mount } from '../platform/syscalls_mount.ts';
import type { Runtime } from './runtime.ts';

export type Cgroups = 'v1' | 'v2' | 'none';

const ROOT = '/sys/fs/cgroup';
const UNIFIED = join(ROOT, 'unified');

/** What steps can use here: `none` where the hierarchy is absent or not ours to write. */
export function detectCgroups(rootless: boolean): Cgroups {
  if (rootless) return 'none';
  const v2 = existsSync(join(ROOT, 'cgroup.controllers'));
  const probe = v2 ? ROOT : ['memory', 'cpu', 'devices'].map((c) => join(ROOT, c)).find((d) => existsSync(d));
  if (probe === undefined) return 'none';
  try {
    accessSync(probe, constants.W_OK);
  } catch {
    return 'none';
  }
  return v2 ? 'v2' : 'v1';
}

/**
 * crun refuses a machine with v1 hierarchies where the unified one, mounted beside them, has controllers too.
 * Steps need only the v1 ones, so the other is covered in this thread's mounts.
 */
export function hideUnifiedHierarchy(runtime: Runtime): void {
  if (runtime.name !== 'crun' || !existsSync(join(UNIFIED, 'cgroup.controllers'))) return;
  if (existsSync(join(ROOT, 'cgroup.controllers'))) return;
  enterPrivateMounts();
  mount('tmpfs', UNIFIED, 'tmpfs', 0, 'size=0');
}

/**
 * A runtime removes its group when the step has ended, so on v2 the step runs one level further down and the
 * group above it, which counts the same events, is looked at and removed here.
 */
export const INNER_GROUP = 'step';

/** True when the kernel killed a process of the group for lack of memory (v2 only, as in BuildKit). */
export function wasOutOfMemory(cgroupsPath: string): boolean {
  try {
    const events = readFileSync(join(ROOT, dirname(cgroupsPath), 'memory.events'), 'utf8');
    return /^oom_kill [1-9]/m.test(events);
  } catch {
    return false;
  }
}

export function removeOuterGroup(cgroupsPath: string): void {
  try {
    rmdirSync(join(ROOT, dirname(cgroupsPath)));
  } catch {
    // Gone, or still in use by a dying process: an empty group costs nothing, and reaping looks again.
  }
}
