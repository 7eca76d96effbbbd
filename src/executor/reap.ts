/** Ends what killed processes left running. */
import { readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { removeBundle } from './bundle.ts';
import { removeGroups } from './cgroup.ts';
import { deleteContainer } from './kill.ts';
import type { OciSpec } from './oci_spec.ts';
import { killRecorded } from './process_record.ts';
import { findRuntime, type Runtime } from './runtime.ts';

export interface ReapArgs {
  /** Directories of dead processes, as RunArgs.directory. */
  directories: string[];
}

/** Kills the containers of dead processes and removes their control groups and directories. What cannot be removed is left to the next. */
export async function reapContainers({ directories }: ReapArgs): Promise<void> {
  for (const directory of directories) {
    for (const name of namesIn(join(directory, 'state'))) {
      const state = join(directory, 'state', name);
      const runtime = runtimeNamed(name);
      for (const id of namesIn(state)) {
        if (name === 'unshare') killRecorded(state, id);
        else if (runtime !== undefined) await deleteContainer({ runtime, state, id });
      }
    }
    // The bundle is what leads to a group that is still in use.
    if (await removeGroupsOf(join(directory, 'bundles'))) removeDirectory(directory);
  }
}

/** @returns false when one of them is in use */
async function removeGroupsOf(bundles: string): Promise<boolean> {
  let removed = true;
  for (const id of namesIn(bundles)) {
    const path = cgroupsPathOf(join(bundles, id));
    if (path !== undefined && path.includes(id)) removed = (await removeGroups(path)) && removed;
  }
  return removed;
}

function cgroupsPathOf(bundle: string): string | undefined {
  try {
    const oci = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8')) as Partial<OciSpec>;
    return oci.linux?.cgroupsPath;
  } catch {
    // Killed before it was written, or while it was: there was no runtime yet.
    return undefined;
  }
}

function removeDirectory(directory: string): void {
  try {
    rmSync(join(directory, 'state'), { recursive: true, force: true });
    rmSync(join(directory, 'otel.sock'), { force: true });
    const bundles = join(directory, 'bundles');
    for (const id of namesIn(bundles)) removeBundle(join(bundles, id));
    if (namesIn(directory).includes('bundles')) rmdirSync(bundles);
    rmdirSync(directory);
  } catch {
    // A dying container holds it still.
  }
}

/** The runtime that a dead process used: a record is only understood by the one that wrote it. */
function runtimeNamed(name: string): Runtime | undefined {
  for (const program of name === 'runc' ? ['runc', 'buildkit-runc'] : [name]) {
    try {
      return findRuntime({ PATH: process.env['PATH'], CAIRN_RUNTIME: program });
    } catch {
      // Not installed any more.
    }
  }
  return undefined;
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
