/** Contract of the executor room: one process in a root file system. */
import type { MountSpec } from '../snapshots/contract.ts';

export type ExecMountSource =
  | { kind: 'tree'; mount: MountSpec; selector: string }
  | { kind: 'tmpfs'; sizeBytes: number }
  /** The content is passed to the job, written to a tmpfs, and never to the store's disk. */
  | { kind: 'secret'; data: Uint8Array; uid: number; gid: number; mode: number }
  | { kind: 'ssh'; socketPath: string; uid: number; gid: number; mode: number };

export interface ExecMount {
  dest: string;
  readonly: boolean;
  source: ExecMountSource;
}

export interface ExecSpec {
  /** Container id, unique on the machine. */
  id: string;
  rootfs: MountSpec;
  readonlyRootfs: boolean;
  mounts: ExecMount[];
  args: string[];
  env: string[];
  cwd: string;
  /** `user[:group]` by name or number, looked up in the root file system; empty: root. */
  user: string;
  hostname: string;
  extraHosts: { host: string; ip: string }[];
  /** -1: no limit. */
  ulimits: { name: string; soft: bigint; hard: bigint }[];
  cgroupParent: string;
  network: 'sandbox' | 'host' | 'none';
  security: 'sandbox' | 'insecure';
  /** Remove empty files and directories that were made as mount points, parents included. */
  removeMountStubsRecursive: boolean;
  /** Exit codes that count as success; empty: only 0. */
  validExitCodes: number[];
  resources?: {
    memoryBytes?: number;
    memorySwapBytes?: number;
    cpuShares?: number;
    cpuPeriodUs?: number;
    cpuQuotaUs?: number;
    cpusetCpus?: string;
    cpusetMems?: string;
  };
}

export interface Executor {
  /** `runc`, `crun` or `unshare`, with the path of the program. */
  readonly runtime: { name: 'runc' | 'crun' | 'unshare'; path: string };
  /** A run will follow: starts its thread, which takes longer than many a step. */
  warm(): void;
  /**
   * Runs to the end. On abort: SIGTERM is not enough for build steps; the container is killed and removed
   * before the promise rejects with CANCELED.
   * @throws ExitError (CairnError EXEC with `exitCode`) when the exit code is not valid
   */
  run(
    spec: ExecSpec,
    io: { output(stream: 1 | 2, data: Uint8Array): void; signal: AbortSignal },
  ): Promise<void>;
}
