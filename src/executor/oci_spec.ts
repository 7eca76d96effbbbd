/**
 * The OCI runtime specification of a step: what BuildKit's executor gives its runtime (executor/oci/spec.go and
 * spec_linux.go, v0.32.2, over containerd's default spec).
 */
import { join } from 'node:path';
import { DEFAULT_CAPABILITIES } from './capabilities.ts';
import type { ExecSpec } from './contract.ts';
import { DEFAULT_HOSTNAME } from './hosts.ts';
import { applyInsecure } from './insecure.ts';
import { seccompProfile, type Seccomp } from './seccomp_profile.ts';
import type { ExecUser } from './user.ts';

export interface OciMount {
  destination: string;
  type: string;
  source: string;
  options: string[];
}

export interface OciDevice {
  path: string;
  type: 'c' | 'b';
  major: number;
  minor: number;
}

export interface OciResources {
  devices?: { allow: boolean; type?: string; access: string }[];
  memory?: { limit?: number; swap?: number };
  cpu?: { shares?: number; quota?: number; period?: number; cpus?: string; mems?: string };
}

/** `config.json`, as far as a step needs it. */
export interface OciSpec {
  ociVersion: string;
  process: {
    terminal: false;
    user: { uid: number; gid: number; additionalGids: number[] };
    args: string[];
    env: string[];
    cwd: string;
    capabilities: Record<'bounding' | 'effective' | 'permitted', string[]> &
      Partial<Record<'inheritable' | 'ambient', string[]>>;
    /** Numbers of 64 bits without sign, as text: {@link ociJson} writes them as numbers. */
    rlimits?: { type: string; soft: string; hard: string }[];
  };
  root: { path: string; readonly?: boolean };
  hostname: string;
  mounts: OciMount[];
  annotations?: Record<string, string>;
  hooks?: { createContainer: { path: string; args: string[] }[] };
  linux: {
    resources?: OciResources;
    cgroupsPath?: string;
    namespaces: { type: string }[];
    devices?: OciDevice[];
    seccomp?: Seccomp;
    maskedPaths: string[];
    readonlyPaths: string[];
  };
}

/** What is known of the machine and of this one run. */
export interface SpecSurroundings {
  rootfs: string;
  user: ExecUser;
  /** Host files to be bound over /etc/resolv.conf and /etc/hosts. */
  resolvConf: string;
  hosts: string;
  /** The step's own mounts, made ready: parents first. */
  mounts: OciMount[];
  cgroups: 'v1' | 'v2' | 'none';
  /** False where the kernel has no seccomp filters. */
  seccomp: boolean;
  /** In a user namespace: no sysfs of its own unless the network is its own too. */
  rootless: boolean;
}

/** The last version that crun of 2023 accepts; nothing newer is used. */
const OCI_VERSION = '1.0.2';

const MASKED_PATHS = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
  '/proc/scsi',
];
const READONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

export function ociSpec(spec: ExecSpec, around: SpecSurroundings): OciSpec {
  const { uid, gid, additionalGids } = around.user;
  const oci: OciSpec = {
    ociVersion: OCI_VERSION,
    process: {
      terminal: false,
      user: {
        uid,
        gid,
        additionalGids: additionalGids.includes(gid) ? additionalGids : [gid, ...additionalGids],
      },
      args: spec.args,
      env: uniqueEnv(spec.env),
      cwd: spec.cwd === '' ? '/' : spec.cwd,
      capabilities: {
        bounding: [...DEFAULT_CAPABILITIES],
        effective: [...DEFAULT_CAPABILITIES],
        permitted: [...DEFAULT_CAPABILITIES],
      },
    },
    root: { path: around.rootfs, ...(spec.readonlyRootfs ? { readonly: true } : {}) },
    hostname: spec.hostname === '' ? DEFAULT_HOSTNAME : spec.hostname,
    mounts: [...systemMounts(around), ...around.mounts],
    linux: {
      namespaces: [
        { type: 'pid' },
        { type: 'ipc' },
        { type: 'uts' },
        { type: 'mount' },
        ...(spec.network === 'none' ? [{ type: 'network' }] : []),
        ...(around.cgroups === 'v2' ? [{ type: 'cgroup' }] : []),
      ],
      maskedPaths: [...MASKED_PATHS],
      readonlyPaths: [...READONLY_PATHS],
    },
  };
  if (spec.ulimits.length > 0) {
    oci.process.rlimits = spec.ulimits.map(({ name, soft, hard }) => ({
      type: `RLIMIT_${name.toUpperCase()}`,
      soft: BigInt.asUintN(64, soft).toString(),
      hard: BigInt.asUintN(64, hard).toString(),
    }));
  }
  if (around.cgroups !== 'none') {
    oci.linux.cgroupsPath = cgroupsPath(spec);
    oci.linux.resources = { devices: [{ allow: false, access: 'rwm' }], ...resources(spec) };
  }
  if (spec.security === 'insecure') applyInsecure(oci, around.rootless);
  else if (around.seccomp) oci.linux.seccomp = seccompProfile(process.arch);
  oci.mounts = lastOfEachDestination(oci.mounts);
  return oci;
}

/** The text of config.json. JSON.stringify writes no integers that large. */
export function ociJson(oci: OciSpec): string {
  // Within a string the quotes would have backslashes before them.
  return JSON.stringify(oci).replaceAll(/"(soft|hard)":"(\d+)"/g, '"$1":$2');
}

function systemMounts(around: SpecSurroundings): OciMount[] {
  const plain = ['nosuid', 'noexec', 'nodev'];
  const bound = (destination: string, source: string): OciMount => ({
    destination,
    type: 'bind',
    source,
    options: [...plain, 'rbind', 'ro'],
  });
  const mounts: OciMount[] = [
    { destination: '/proc', type: 'proc', source: 'proc', options: plain },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    {
      destination: '/dev/shm',
      type: 'tmpfs',
      source: 'shm',
      options: [...plain, 'mode=1777', 'size=65536k'],
    },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: plain },
  ];
  // A sysfs can be mounted only by who owns the network namespace; BuildKit leaves it out too (util/rootless).
  if (!around.rootless) {
    mounts.push({ destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...plain, 'ro'] });
  }
  mounts.push(bound('/etc/resolv.conf', around.resolvConf), bound('/etc/hosts', around.hosts));
  if (around.cgroups !== 'none' && !around.rootless) {
    mounts.push({
      destination: '/sys/fs/cgroup',
      type: 'cgroup',
      source: 'cgroup',
      options: ['ro', 'nosuid', 'noexec', 'nodev'],
    });
  }
  return mounts;
}

/**
 * Below the parent that the build asked for; `name.slice:` is systemd's notation and taken as it is.
 */
function cgroupsPath(spec: ExecSpec): string {
  const parent = spec.cgroupParent;
  if (parent === '') return `/cairn/${spec.id}`;
  if (parent.includes('.slice') && parent.endsWith(':')) return parent + spec.id;
  return join('/', parent, 'cairn', spec.id);
}

function resources(spec: ExecSpec): OciResources {
  const limits = spec.resources;
  if (limits === undefined) return {};
  const memory = defined({ limit: limits.memoryBytes, swap: limits.memorySwapBytes });
  const cpu = defined({
    shares: limits.cpuShares,
    quota: limits.cpuQuotaUs,
    period: limits.cpuPeriodUs,
    cpus: limits.cpusetCpus,
    mems: limits.cpusetMems,
  });
  return {
    ...(Object.keys(memory).length > 0 ? { memory } : {}),
    ...(Object.keys(cpu).length > 0 ? { cpu } : {}),
  };
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function defined<T extends object>(object: T): Defined<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Defined<T>;
}

/** The last value of a name wins, at the place of the first, as runc has it. */
function uniqueEnv(env: readonly string[]): string[] {
  const byName = new Map<string, string>();
  for (const entry of env) {
    const end = entry.indexOf('=');
    if (end !== -1) byName.set(entry.slice(0, end), entry);
  }
  return [...byName.values()];
}

function lastOfEachDestination(mounts: OciMount[]): OciMount[] {
  return [...new Map(mounts.map((mount) => [mount.destination, mount])).values()];
}
