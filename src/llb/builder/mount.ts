/** Mounts of an exec: directories, caches, tmpfs, secrets and ssh sockets. */
import { create } from '@bufbuild/protobuf';
import { CacheSharingOpt, MountSchema, MountType, SecretEnvSchema } from '../gen/ops_pb.js';
import type { Mount, SecretEnv } from '../gen/ops_pb.js';
import type { State } from './state.ts';

export interface MountSpec {
  /** Absolute path in the container. */
  target: string;
  /** Scratch: an empty directory. */
  source: State;
  /** Path in the source; undefined: all of it. */
  selector?: string;
  readonly?: boolean;
  /** Writable, but what is written is dropped. */
  noOutput?: boolean;
  /** A directory that is kept between builds. */
  cache?: { id: string; sharing: 'shared' | 'private' | 'locked' };
  /** Bytes; 0: no limit. */
  tmpfs?: { size: bigint };
}

export interface SecretSpec {
  id: string;
  /** File that gets the secret; undefined: none. */
  target?: string | undefined;
  /** Variable that gets it; undefined: none. */
  env?: string | undefined;
  optional: boolean;
  uid: number;
  gid: number;
  mode: number;
}

export interface SshSpec {
  id: string;
  /** Path of the socket; empty: a default one by position. */
  target: string;
  optional: boolean;
  uid: number;
  gid: number;
  mode: number;
}

const SHARING = {
  shared: CacheSharingOpt.SHARED,
  private: CacheSharingOpt.PRIVATE,
  locked: CacheSharingOpt.LOCKED,
} as const;

/** Whether what the process writes there is a result of the op. */
export function hasOutput(mount: MountSpec): boolean {
  return (
    mount.noOutput !== true &&
    mount.readonly !== true &&
    mount.cache === undefined &&
    mount.tmpfs === undefined
  );
}

/** `input` and `output` -1: none. */
export function encodeMount(mount: MountSpec, input: number, output: number): Mount {
  const { target, selector = '', readonly = false, cache, tmpfs } = mount;
  const message = create(MountSchema, {
    input: BigInt(input),
    output: BigInt(output),
    dest: target,
    selector,
    readonly,
  });
  if (cache !== undefined) {
    message.mountType = MountType.CACHE;
    message.cacheOpt = { $typeName: 'pb.CacheOpt', ID: cache.id, sharing: SHARING[cache.sharing] };
  }
  if (tmpfs !== undefined) {
    message.mountType = MountType.TMPFS;
    message.TmpfsOpt = { $typeName: 'pb.TmpfsOpt', size: tmpfs.size };
  }
  return message;
}

export function encodeSecrets(secrets: readonly SecretSpec[]): { env: SecretEnv[]; mounts: Mount[] } {
  const env: SecretEnv[] = [];
  const mounts: Mount[] = [];
  for (const { id, env: name, target, uid, gid, mode, optional } of secrets) {
    if (name !== undefined) env.push(create(SecretEnvSchema, { ID: id, name, optional }));
    if (target === undefined) continue;
    // The output stays 0, unlike that of other mounts without one: it is so in BuildKit, and part of the digest.
    const mount = create(MountSchema, { input: -1n, dest: target, mountType: MountType.SECRET });
    mount.secretOpt = { $typeName: 'pb.SecretOpt', ID: id, uid, gid, mode, optional };
    mounts.push(mount);
  }
  return { env, mounts };
}

/** Path of the socket that the process finds. */
export function sshTarget({ target }: SshSpec, position: number): string {
  return target === '' ? `/run/buildkit/ssh_agent.${position}` : target;
}

export function encodeSsh(sockets: readonly SshSpec[]): Mount[] {
  return sockets.map((socket, i) => {
    const { id, uid, gid, mode, optional } = socket;
    const mount = create(MountSchema, { input: -1n, dest: sshTarget(socket, i), mountType: MountType.SSH });
    mount.SSHOpt = { $typeName: 'pb.SSHOpt', ID: id, uid, gid, mode, optional };
    return mount;
  });
}
