/**
 * From an exec op's mounts to what the executor mounts, and to what becomes of them afterwards (BuildKit
 * v0.32.2, frontend/gateway/container.PrepareMounts).
 */
import { join } from 'node:path';
import { CairnError } from '../../errors/error.ts';
import type { ExecMount, ExecMountSource } from '../../executor/contract.ts';
import { CacheSharingOpt, MountType, type Mount } from '../../llb/gen/ops_pb.js';
import type { ActiveSnapshot, MountSpec, Snapshot, Tree } from '../../snapshots/contract.ts';
import type { OpContext } from '../contract.ts';
import type { OpServices } from '../services.ts';
import { acquireCacheMount, type Sharing } from './cache_mounts.ts';
import { agentSocket, mountedSecret, type SecretValues } from './secrets.ts';

const ROOT = '/';
const NONE = -1n;
const SHARING: Record<CacheSharingOpt, Sharing> = {
  [CacheSharingOpt.SHARED]: 'shared',
  [CacheSharingOpt.PRIVATE]: 'private',
  [CacheSharingOpt.LOCKED]: 'locked',
};

/** What a step works on. */
export interface PreparedMounts {
  root: MountSpec;
  readonlyRoot: boolean;
  /** Parents before what is below them. */
  mounts: ExecMount[];
}

/** What is kept of a step, by output number. */
export type Outputs = Map<number, ActiveSnapshot | Snapshot>;

export interface MountRequest {
  mounts: readonly Mount[];
  inputs: readonly (Tree | undefined)[];
  /** Command line, for descriptions. */
  command: string;
  cwd: string;
  services: OpServices;
  context: OpContext;
  /** Takes what must be given back after the step, whatever became of it. */
  release: (fn: () => void | Promise<void>) => void;
  secretValues: SecretValues;
}

/**
 * Fills `outputs` on the way, so that the caller can discard what was begun.
 * @throws CairnError NOT_FOUND for secrets and agents that are not offered, SOLVE for mounts that make no sense
 */
export async function prepareExecMounts(request: MountRequest, outputs: Outputs): Promise<PreparedMounts> {
  const mounts: ExecMount[] = [];
  const trees = new Map<bigint, Promise<Snapshot | undefined>>();
  const cacheMounts = new Map<string, Promise<MountSpec>>();
  let root: { mount: MountSpec; readonly: boolean } | undefined;

  for (const mount of request.mounts) {
    if (mount.dest === ROOT && mount.mountType !== MountType.BIND) {
      throw invalid(`invalid mount type ${MountType[mount.mountType]} for ${mount.dest}`);
    }
    let input = trees.get(mount.input);
    if (input === undefined) trees.set(mount.input, (input = inputSnapshot(mount, request)));
    if (mount.dest === ROOT) {
      root = { mount: await bindMount(mount, await input, request, outputs), readonly: mount.readonly };
      continue;
    }
    const source = await mountSource(mount, await input, request, outputs, cacheMounts);
    if (source === undefined) continue;
    const dest = mount.dest.startsWith('/') ? mount.dest : join('/', request.cwd, mount.dest);
    mounts.push({ dest, readonly: mount.readonly, source });
  }
  if (root === undefined) throw invalid('the step has no root file system');
  return {
    root: root.mount,
    readonlyRoot: root.readonly,
    mounts: mounts.toSorted((a, b) => (a.dest < b.dest ? -1 : a.dest > b.dest ? 1 : 0)),
  };
}

/** Undefined: the mount is optional, and what it wants is not there. */
async function mountSource(
  mount: Mount,
  input: Snapshot | undefined,
  request: MountRequest,
  outputs: Outputs,
  cacheMounts: Map<string, Promise<MountSpec>>,
): Promise<ExecMountSource | undefined> {
  const { secrets } = request.services;
  switch (mount.mountType) {
    case MountType.BIND: {
      const spec = await bindMount(mount, input, request, outputs);
      return { kind: 'tree', mount: spec, selector: mount.selector };
    }
    case MountType.CACHE: {
      if (mount.output !== NONE && input !== undefined) outputs.set(Number(mount.output), input);
      const spec = await cacheMount(mount, input, request, cacheMounts);
      return { kind: 'tree', mount: spec, selector: mount.selector };
    }
    case MountType.TMPFS:
      return { kind: 'tmpfs', sizeBytes: Number(mount.TmpfsOpt?.size ?? 0n) };
    case MountType.SECRET: {
      const { secretOpt } = mount;
      const data = await mountedSecret(secrets, secretOpt, request.secretValues);
      if (data === undefined || secretOpt === undefined) return undefined;
      return { kind: 'secret', data, uid: secretOpt.uid, gid: secretOpt.gid, mode: secretOpt.mode };
    }
    case MountType.SSH: {
      const { SSHOpt } = mount;
      const socketPath = await agentSocket(secrets, SSHOpt);
      if (socketPath === undefined) return undefined;
      return {
        kind: 'ssh',
        socketPath,
        uid: SSHOpt?.uid ?? 0,
        gid: SSHOpt?.gid ?? 0,
        mode: SSHOpt?.mode ?? 0o600,
      };
    }
  }
}

async function inputSnapshot(mount: Mount, request: MountRequest): Promise<Snapshot | undefined> {
  if (mount.input === NONE) return undefined;
  const index = Number(mount.input);
  if (index >= request.inputs.length) throw invalid(`missing input ${index}`);
  const tree = request.inputs[index];
  if (tree === undefined || tree.kind === 'snapshot') return tree;
  const { snapshots } = request.services;
  return snapshots.fromHostTree(tree, request.context.progress);
}

/** A mount that is written gets a layer of its own; it is kept where the mount has an output. */
async function bindMount(
  mount: Mount,
  input: Snapshot | undefined,
  request: MountRequest,
  outputs: Outputs,
): Promise<MountSpec> {
  const { snapshots } = request.services;
  const { progress } = request.context;
  const kept = mount.output !== NONE;
  // A root is always writable for the runtime, which makes mount points in it.
  if (mount.readonly && input !== undefined && mount.dest !== ROOT) {
    if (kept) outputs.set(Number(mount.output), input);
    return snapshots.view(input, progress);
  }
  const description = `mount ${mount.dest} from exec ${request.command}`;
  const active = await snapshots.prepare(input, { description }, progress);
  if (kept) outputs.set(Number(mount.output), active);
  else request.release(() => active.discard());
  return active.mount;
}

async function cacheMount(
  mount: Mount,
  input: Snapshot | undefined,
  request: MountRequest,
  cacheMounts: Map<string, Promise<MountSpec>>,
): Promise<MountSpec> {
  if (mount.cacheOpt === undefined) throw invalid('missing cache mount options');
  const { ID, sharing } = mount.cacheOpt;
  const key = input === undefined ? ID : `${ID}:${input.id}`;
  // Two mounts of one step with the same id are one directory, whatever their sharing.
  let spec = cacheMounts.get(key);
  if (spec === undefined) {
    const named = ID === mount.dest ? '' : ` with id ${JSON.stringify(ID)}`;
    const description = `cached mount ${mount.dest} from exec ${request.command}${named}`;
    spec = openCacheMount({ key, sharing: SHARING[sharing], description }, input, request);
    cacheMounts.set(key, spec);
  }
  return spec;
}

async function openCacheMount(
  { key, sharing, description }: { key: string; sharing: Sharing; description: string },
  input: Snapshot | undefined,
  { services, context, release }: MountRequest,
): Promise<MountSpec> {
  const { store, snapshots, pool } = services;
  const view = input === undefined ? undefined : await snapshots.view(input, context.progress);
  const layered = view?.kind === 'overlay';
  const mount = await acquireCacheMount(store, { key, sharing, description, layered }, context.signal);
  release(() => mount.release());
  const { prepareCacheDirectory } = await import('./cache_directory.ts');
  return prepareCacheDirectory(mount, view, pool);
}

function invalid(message: string): CairnError {
  return new CairnError(message, { code: 'SOLVE' });
}
