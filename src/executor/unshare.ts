/**
 * Steps without a container runtime: util-linux's unshare, setpriv and prlimit. Namespaces, mounts, masks and
 * capabilities as in the specification; no seccomp filter, no cgroups, no device rules.
 */
import { mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  mount,
  MS_BIND,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_RDONLY,
  MS_REC,
  MS_REMOUNT,
  MNT_DETACH,
  umount2,
} from '../platform/syscalls_mount.ts';
import type { Cleanup } from './cleanup.ts';
import type { OciMount, OciSpec } from './oci_spec.ts';
import { rootPath } from './root_path.ts';
import type { Runtime } from './runtime.ts';
import { homeOf } from './user.ts';

/** Devices of the specification's section "Default Devices"; bound from the host. */
const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];
const LINKS: readonly [string, string][] = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
  ['ptmx', 'pts/ptmx'],
];
const FLAGS: Record<string, number> = {
  ro: MS_RDONLY,
  nosuid: MS_NOSUID,
  nodev: MS_NODEV,
  noexec: MS_NOEXEC,
};

/** File systems that show the namespaces of whoever mounts them; mounted inside the step's. */
const OF_NAMESPACES = ['proc', 'sysfs', 'mqueue'];

/** Mounts everything else below the root, in this thread's mounts. */
export function unshareCommand(
  runtime: Runtime,
  bundle: string,
  oci: OciSpec,
  cleanup: Cleanup,
): { path: string; args: string[] } {
  const root = oci.root.path;
  for (const { destination, type, source, options } of oci.mounts) {
    if (OF_NAMESPACES.includes(type)) mkdirSync(rootPath(root, destination), { recursive: true });
    else if (type !== 'cgroup') mountInRoot(root, { destination, type, source, options }, cleanup);
    if (destination === '/dev') fillDev(root, cleanup);
  }
  if (oci.root.readonly === true) mount('none', root, '', MS_BIND | MS_REMOUNT | MS_RDONLY);
  const script = join(bundle, 'run.sh');
  writeFileSync(script, startScript(oci));
  const network = oci.linux.namespaces.some(({ type }) => type === 'network') ? ['--net'] : [];
  return {
    path: runtime.path,
    args: [
      '--mount',
      '--uts',
      '--ipc',
      '--pid',
      '--fork',
      '--kill-child',
      ...network,
      '--propagation=private',
      '/bin/sh',
      script,
    ],
  };
}

function mountInRoot(root: string, { destination, type, source, options }: OciMount, cleanup: Cleanup): void {
  const target = rootPath(root, destination);
  const directory = type !== 'bind' || statSync(source).isDirectory();
  if (statSync(target, { throwIfNoEntry: false }) === undefined) {
    mkdirSync(directory ? target : dirname(target), { recursive: true });
    if (!directory) writeFileSync(target, '');
  }
  const flags = options.reduce((sum, option) => sum | (FLAGS[option] ?? 0), 0);
  const unmount = (): void => umount2(target, MNT_DETACH);
  if (type === 'bind') {
    mount(source, target, '', MS_BIND | MS_REC);
    // Before stubs are looked for: a mount point cannot be removed.
    cleanup.add(unmount);
    if (flags !== 0) mount('none', target, '', MS_BIND | MS_REMOUNT | flags);
    return;
  }
  const data = options.filter((option) => option.includes('=') || option === 'newinstance');
  mount(source, target, type, flags, data.join(','));
  cleanup.add(unmount);
}

function fillDev(root: string, cleanup: Cleanup): void {
  const dev = rootPath(root, '/dev');
  for (const name of DEVICES) {
    writeFileSync(join(dev, name), '');
    mount(join('/dev', name), join(dev, name), '', MS_BIND);
    cleanup.add(() => umount2(join(dev, name), MNT_DETACH));
  }
  for (const [name, target] of LINKS) symlinkSync(target, join(dev, name));
}

/** What is left to do inside the new namespaces, in the shell of the host. */
function startScript(oci: OciSpec): string {
  const { process: step, root } = oci;
  const within = (path: string): string => shellQuote(join(root.path, path));
  const lines = ['set -e'];
  for (const { destination, type, source, options } of oci.mounts) {
    if (!OF_NAMESPACES.includes(type)) continue;
    lines.push(`mount -t ${type} -o ${options.join(',')} ${source} ${within(destination)}`);
  }
  for (const path of oci.linux.readonlyPaths) {
    lines.push(
      `if [ -e ${within(path)} ]; then mount --bind ${within(path)} ${within(path)}; mount -o remount,bind,ro,nosuid,noexec,nodev ${within(path)}; fi`,
    );
  }
  for (const path of oci.linux.maskedPaths) {
    lines.push(
      `if [ -d ${within(path)} ]; then mount -t tmpfs -o ro,size=0 tmpfs ${within(path)}; elif [ -e ${within(path)} ]; then mount --bind /dev/null ${within(path)}; fi`,
    );
  }
  lines.push(
    `hostname ${shellQuote(oci.hostname)} 2>/dev/null || echo ${shellQuote(oci.hostname)} > /proc/sys/kernel/hostname`,
  );
  if (oci.linux.namespaces.some(({ type }) => type === 'network')) {
    lines.push('ip link set lo up 2>/dev/null || ifconfig lo up 2>/dev/null || true');
  }
  const env = step.env.some((entry) => entry.startsWith('HOME='))
    ? step.env
    : [...step.env, `HOME=${homeOf(root.path, step.user.uid)}`];
  const command = [
    ...limits(oci),
    'setpriv',
    `--bounding-set=-all,${step.capabilities.bounding.map((name) => `+${name.slice('CAP_'.length).toLowerCase()}`).join(',')}`,
    '--inh-caps=-all',
    `--regid=${step.user.gid}`,
    `--groups=${step.user.additionalGids.join(',')}`,
    '--',
    'env',
    '-i',
    ...env,
    // An absolute path: the environment is the step's from here on.
    UNSHARE_VARIABLE,
    `--root=${root.path}`,
    `--wd=${step.cwd}`,
    `--setuid=${step.user.uid}`,
    '--',
    ...step.args,
  ];
  lines.push(`unshare=$(command -v unshare)`);
  lines.push(
    `exec ${command.map((word) => (word === UNSHARE_VARIABLE ? word : shellQuote(word))).join(' ')}`,
  );
  return lines.join('\n') + '\n';
}

const UNSHARE_VARIABLE = '"$unshare"';

function limits(oci: OciSpec): string[] {
  const rlimits = oci.process.rlimits ?? [];
  if (rlimits.length === 0) return [];
  return [
    'prlimit',
    ...rlimits.map(
      ({ type, soft, hard }) =>
        `--${type.slice('RLIMIT_'.length).toLowerCase()}=${limitOf(soft)}:${limitOf(hard)}`,
    ),
  ];
}

/** prlimit has a word for the largest number, which means that there is no limit. */
function limitOf(value: string): string {
  return BigInt(value) === BigInt.asUintN(64, -1n) ? 'unlimited' : value;
}

function shellQuote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
