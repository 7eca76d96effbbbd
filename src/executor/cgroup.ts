/** Control groups: which kind there is, and what a group tells of its step. */
import { accessSync, constants, existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { basename, dirname, join } from 'node:path';
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

/** How long a group may hold processes that were killed. */
const PATIENCE_MS = 1000;
const RETRY_MS = 20;

/**
 * Removes a step's group and those below it from every hierarchy; a runtime that was killed before it had written
 * its record leaves them. Processes in them are left alone.
 * @returns false when processes hold one of them still
 */
export async function removeGroups(cgroupsPath: string): Promise<boolean> {
  const group = basename(cgroupsPath) === INNER_GROUP ? dirname(cgroupsPath) : cgroupsPath;
  const places = hierarchies().map((hierarchy) => join(hierarchy, group));
  for (const start = Date.now(); ;) {
    for (const place of places) removeTree(place);
    if (!places.some((place) => existsSync(place))) return true;
    if (Date.now() - start > PATIENCE_MS) return false;
    await sleep(RETRY_MS);
  }
}

function hierarchies(): string[] {
  if (existsSync(join(ROOT, 'cgroup.controllers'))) return [ROOT];
  return groupsIn(ROOT);
}

/** A group's files go with it. */
function removeTree(group: string): void {
  for (const inner of groupsIn(group)) removeTree(inner);
  try {
    rmdirSync(group);
  } catch {
    // Not there, or in use.
  }
}

function groupsIn(directory: string): string[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(directory, name));
  } catch {
    return [];
  }
}
