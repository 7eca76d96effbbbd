/** Runs one step from beginning to end, in the exec thread of the job pool. */
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CairnError } from '../errors/error.ts';
import type { JobContext } from '../platform/contract.ts';
import { spawnProcess } from '../platform/spawn.ts';
import { MNT_DETACH, umount2 } from '../platform/syscalls_mount.ts';
import { mountAt } from '../snapshots/mounts.ts';
import { removeBundle } from './bundle.ts';
import {
  detectCgroups,
  hideUnifiedHierarchy,
  INNER_GROUP,
  removeOuterGroup,
  wasOutOfMemory,
  type Cgroups,
} from './cgroup.ts';
import { Cleanup } from './cleanup.ts';
import { withCoveredModes } from './covering_tmpfs.ts';
import type { ExecSpec } from './contract.ts';
import { ExitError } from './exit_error.ts';
import { hostsFile } from './hosts.ts';
import { killContainer } from './kill.ts';
import { makeMountPoints } from './mount_points.ts';
import { watchMountStubs } from './mount_stubs.ts';
import { prepareMounts } from './mounts.ts';
import { ociSpec } from './oci_spec.ts';
import { recordProcess } from './process_record.ts';
import { forwardOutput } from './process_output.ts';
import { resolvConf } from './resolv_conf.ts';
import { rootPath } from './root_path.ts';
import { runtimeCommand, type Command } from './runtime_command.ts';
import { prepareFilter } from './seccomp_filter.ts';
import type { Runtime } from './runtime.ts';
import { serveTracing, tracingMount, withTracing } from './tracing.ts';
import { lookupUser, type ExecUser } from './user.ts';
import { watch } from './watcher.ts';
import { makeDirectories } from './working_directory.ts';

export interface RunArgs {
  spec: ExecSpec;
  runtime: Runtime;
  /** Of this process, inside the store: bundles and the runtime's state. */
  directory: string;
  /** Shared by all processes: compiled seccomp filters. */
  filters: string;
}

export type WarmArgs = Pick<RunArgs, 'runtime' | 'filters'>;

/** What does not change while the process lives. */
interface Machine {
  rootless: boolean;
  cgroups: Cgroups;
  seccomp: boolean;
}

let machine: Machine | undefined;

function lookAround(): Machine {
  if (machine !== undefined) return machine;
  const rootless = !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'utf8'));
  machine = {
    rootless,
    cgroups: detectCgroups(rootless),
    seccomp: /^Seccomp:/m.test(readFileSync('/proc/self/status', 'utf8')),
  };
  return machine;
}

/** What takes long in the first step, done while others still work for it. */
export function prepare({ runtime, filters }: WarmArgs): void {
  if (lookAround().seccomp && runtime.name === 'crun') prepareFilter(filters);
}

/**
 * The job `exec.run`.
 * @throws ExitError, CANCELED, and what the preparation throws
 */
export async function runContainer(
  { spec, runtime, directory, filters }: RunArgs,
  context: JobContext,
): Promise<void> {
  hideUnifiedHierarchy(runtime);
  const around = lookAround();
  const cleanup = new Cleanup();
  try {
    const bundle = join(directory, 'bundles', spec.id);
    mkdirSync(bundle, { recursive: true, mode: 0o711 });
    cleanup.add(() => removeBundle(bundle));
    const rootfs = join(bundle, 'rootfs');
    mkdirSync(rootfs, { mode: 0o700 });
    mountAt(spec.rootfs, rootfs);
    cleanup.add(() => umount2(rootfs, MNT_DETACH));
    cleanup.add(
      watchMountStubs(
        rootfs,
        ['/etc/resolv.conf', '/etc/hosts', ...spec.mounts.map((mount) => mount.dest)],
        spec.removeMountStubsRecursive,
      ),
    );
    const user = lookupUser(rootfs, spec.user);
    makeWorkingDirectory(rootfs, spec.cwd, user);
    const collector = await serveTracing(join(directory, 'otel.sock'));
    const oci = ociSpec(
      { ...spec, env: withTracing(spec.env) },
      {
        rootfs,
        user,
        resolvConf: written(join(bundle, 'resolv.conf'), resolvConf(spec.network === 'host')),
        hosts: written(join(bundle, 'hosts'), hostsFile(spec.hostname, spec.extraHosts)),
        mounts: [
          ...(await prepareMounts(spec.mounts, bundle, around.rootless, cleanup)),
          tracingMount(collector),
        ],
        ...around,
      },
    );
    if (
      around.cgroups === 'v2' &&
      oci.linux.cgroupsPath !== undefined &&
      !oci.linux.cgroupsPath.includes(':')
    ) {
      const inner = (oci.linux.cgroupsPath = join(oci.linux.cgroupsPath, INNER_GROUP));
      cleanup.add(() => removeOuterGroup(inner));
    }
    if (runtime.name !== 'runc') oci.mounts = withCoveredModes(rootfs, oci.mounts, bundle, cleanup);
    makeMountPoints(rootfs, oci.mounts);
    const state = join(directory, 'state', runtime.name);
    mkdirSync(state, { recursive: true, mode: 0o700 });
    const command = runtimeCommand(runtime, {
      id: spec.id,
      state,
      bundle,
      oci,
      cgroups: around.cgroups,
      rootless: around.rootless,
      filters,
      cleanup,
    });
    const exitCode = await runCommand(command, { runtime, state, id: spec.id }, context);
    const valid = spec.validExitCodes.length === 0 ? [0] : spec.validExitCodes;
    if (!valid.includes(exitCode)) {
      throw new ExitError(spec.args, exitCode, wasOutOfMemory(oci.linux.cgroupsPath ?? ''));
    }
  } catch (error) {
    // The first error is the one to be told.
    await cleanup.run().catch(() => {});
    throw error;
  }
  await cleanup.run();
}

/** Runs the runtime until it and its output have ended. @returns the exit code; 128 and the signal's number for a signal */
async function runCommand(
  command: Command,
  container: { runtime: Runtime; state: string; id: string },
  context: JobContext,
): Promise<number> {
  if (context.signal.aborted) throw canceled();
  const child = spawnProcess(command.path, command.args, command.env);
  const notes = [watch(container.runtime, container.state, child.pid)];
  if (container.runtime.name === 'unshare') {
    notes.push(recordProcess(container.state, container.id, child.pid));
  }
  const ended = forwardOutput(child.stdout, child.stderr, context);
  let killed: Promise<void> | undefined;
  const onAbort = (): void => {
    killed = killContainer(container, child.pid, ended);
  };
  context.signal.addEventListener('abort', onAbort, { once: true });
  try {
    // The runtime holds both pipes until its own end.
    await ended;
    const code = await child.exitCode();
    for (const forget of notes) forget();
    await killed;
    if (context.signal.aborted) throw canceled();
    return code;
  } finally {
    context.signal.removeEventListener('abort', onAbort);
  }
}

/** BuildKit gives a missing working directory, with its parents, to the step's user. */
function makeWorkingDirectory(rootfs: string, cwd: string, user: ExecUser): void {
  const path = rootPath(rootfs, cwd);
  if (statSync(path, { throwIfNoEntry: false }) === undefined) makeDirectories(path, user);
}

function written(path: string, content: string): string {
  writeFileSync(path, content, { mode: 0o644 });
  return path;
}

function canceled(): CairnError {
  return new CairnError('canceled', { code: 'CANCELED' });
}
