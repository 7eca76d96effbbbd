/** The command line that runs a bundle. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cgroups } from './cgroup.ts';
import type { Cleanup } from './cleanup.ts';
import { bindDevices, canMakeDevices } from './devices.ts';
import { ociJson, type OciSpec } from './oci_spec.ts';
import { homeOf } from './user.ts';
import { PLAIN_ENVIRONMENT, type Runtime } from './runtime.ts';
import { useCompiledFilter } from './seccomp_filter.ts';
import { unshareCommand } from './unshare.ts';

export interface Command {
  path: string;
  args: string[];
  env: Record<string, string>;
}

export interface Bundle {
  id: string;
  /** The runtime's directory for what it knows of running containers. */
  state: string;
  bundle: string;
  oci: OciSpec;
  cgroups: Cgroups;
  /** In a user namespace. */
  rootless: boolean;
  /** Keeps compiled seccomp filters. */
  filters: string;
  /** Takes what is to be undone after the step. */
  cleanup: Cleanup;
}

/** Writes what the runtime wants to read into the bundle, and says how to start it. */
export function runtimeCommand(
  runtime: Runtime,
  { id, state, bundle, oci, cgroups, rootless, filters, cleanup }: Bundle,
): Command {
  const env = PLAIN_ENVIRONMENT;
  if (runtime.name === 'unshare') return { ...unshareCommand(runtime, bundle, oci, cleanup), env };
  if (runtime.name === 'crun') {
    useCompiledFilter(oci, filters);
    giveHome(oci);
    if (!existsSync('/proc/kcore')) {
      if (canMakeDevices(oci, rootless)) bindDevices(oci, bundle, cleanup);
      else dropCoreLink(oci);
    }
  }
  writeFileSync(join(bundle, 'config.json'), ociJson(oci));
  const run = ['run', '--bundle', bundle, id];
  if (runtime.name === 'crun') {
    const manager = cgroups === 'none' ? ['--cgroup-manager=disabled'] : [];
    return { path: runtime.path, args: ['--root', state, ...manager, ...run], env };
  }
  // With a log of its own runc prints errors as plain lines, as users of BuildKit know them.
  const log = ['--log', join(bundle, 'runtime.log'), '--log-format', 'json'];
  return { path: runtime.path, args: ['--root', state, ...log, ...run], env };
}

/** runc gives users without an entry in passwd the root as their home, crun gives them none. */
function giveHome({ process: step, root }: OciSpec): void {
  if (step.env.some((entry) => entry.startsWith('HOME='))) return;
  step.env.push(`HOME=${homeOf(root.path, step.user.uid)}`);
}

/**
 * crun links /dev/core to a file that this kernel does not have (devices.ts); runc looks first. The hook takes what crun writes
 * to its standard input before it ends: crun fails the step when that pipe breaks. `cat` takes it whole, the shell's
 * own `read` byte for byte, which is 10 ms for the compiled filter among it.
 */
function dropCoreLink(oci: OciSpec): void {
  const link = join(oci.root.path, 'dev/core');
  oci.hooks = {
    createContainer: [{ path: '/bin/sh', args: ['sh', '-c', 'cat >/dev/null; exec rm -f "$0"', link] }],
  };
}
