/**
 * The cache map of an exec op (BuildKit v0.32.2, solver/llbsolver/ops/exec.go): what it runs, without what does
 * not change the result, and which parts of its inputs count.
 */
import { CairnError } from '../../errors/error.ts';
import { digestOf } from '../../llb/digest.ts';
import { CacheSharingOpt, MountContentCache, MountType } from '../../llb/gen/ops_pb.js';
import type { CacheOpt, ExecOp, Meta, Mount, Platform } from '../../llb/gen/ops_pb.js';
import type { ChecksumQuery } from '../../snapshots/contenthash/checksum.ts';
import type { ContentHasher } from '../../snapshots/contenthash/hasher.ts';
import { join } from '../../snapshots/patterns/go_path.ts';
import { contentBased, dedupePaths } from '../content_selectors.ts';
import type { CacheMap, CacheMapDep } from '../contract.ts';
import { goJson, omitEmpty } from '../go_json.ts';

const CACHE_TYPE = 'buildkit.exec.v0';

/** Mount inputs and outputs that are none. */
const NONE = -1n;

/**
 * @param inputCount inputs of the vertex
 * @throws CairnError SOLVE when a mount names an input that is not there or wants a content key it cannot have
 */
export function execCacheMap(
  op: ExecOp,
  platform: Platform,
  inputCount: number,
  hasher: ContentHasher,
): CacheMap {
  const preimage = goJson({
    Type: CACHE_TYPE,
    Exec: execFields(op),
    OS: platform.OS,
    Arch: platform.Architecture,
    ...omitEmpty({
      Variant: platform.Variant,
      OSVersion: platform.OSVersion,
      OSFeatures: platform.OSFeatures,
    }),
  });
  return { digest: digestOf(preimage), deps: execDeps(op, inputCount, hasher), preimage };
}

function execFields(op: ExecOp) {
  return omitEmpty({
    meta: op.meta && metaFields(op.meta),
    mounts: onlyRoot(op.mounts) ? [] : op.mounts.map(mountFields),
    network: op.network,
    security: op.security,
    secretenv: op.secretenv.map((env) => omitEmpty({ ID: env.ID, name: env.name, optional: env.optional })),
    cdiDevices: op.cdiDevices.map((device) => omitEmpty({ name: device.name, optional: device.optional })),
  });
}

/** Proxy settings and the addresses of extra hosts do not count. */
function metaFields(meta: Meta) {
  return omitEmpty({
    args: meta.args,
    env: meta.env,
    cwd: meta.cwd,
    user: meta.user,
    extraHosts: meta.extraHosts.map(({ Host }) => omitEmpty({ Host })),
    hostname: meta.hostname,
    ulimit: meta.ulimit.map(({ Name, Soft, Hard }) => omitEmpty({ Name, Soft, Hard })),
    cgroupParent: meta.cgroupParent,
    removeMountStubsRecursive: meta.removeMountStubsRecursive,
    validExitCodes: meta.validExitCodes,
  });
}

/** The plain root mount of an ordinary RUN is left out, as keys of old versions left out all mounts. */
function onlyRoot(mounts: readonly Mount[]): boolean {
  const [root] = mounts;
  return (
    mounts.length === 1 &&
    root !== undefined &&
    root.dest === '/' &&
    !root.readonly &&
    root.mountType === MountType.BIND &&
    root.cacheOpt === undefined &&
    root.SSHOpt === undefined &&
    root.secretOpt === undefined &&
    root.resultID === ''
  );
}

/** Selectors are not part of the digest: they go into the dependency. */
function mountFields(mount: Mount) {
  const { TmpfsOpt: tmpfs, secretOpt: secret, SSHOpt: ssh } = mount;
  return omitEmpty({
    input: mount.input,
    dest: mount.dest,
    output: mount.output,
    readonly: mount.readonly,
    mountType: mount.mountType,
    TmpfsOpt: tmpfs && omitEmpty({ size: tmpfs.size }),
    cacheOpt: mount.cacheOpt && cacheFields(mount.cacheOpt, mount.dest),
    secretOpt: secret && accessFields(secret),
    SSHOpt: ssh && accessFields(ssh),
    resultID: mount.resultID,
    contentCache: mount.contentCache,
  });
}

function accessFields(opt: { ID: string; uid: number; gid: number; mode: number; optional: boolean }) {
  return omitEmpty({ ID: opt.ID, uid: opt.uid, gid: opt.gid, mode: opt.mode, optional: opt.optional });
}

/**
 * Which cache directory is used does not count, except where the Dockerfile gave neither id nor sharing mode
 * (the id is then the path, perhaps behind a namespace): those keys are older than the rule.
 */
function cacheFields(opt: CacheOpt, dest: string) {
  const slash = opt.ID.indexOf('/');
  const isDefault =
    opt.sharing === CacheSharingOpt.SHARED &&
    (opt.ID === dest || (slash !== -1 && opt.ID.slice(slash + 1) === dest));
  return isDefault ? omitEmpty({ ID: opt.ID }) : {};
}

interface Dependency {
  selectors: string[];
  contentBased: boolean;
}

function execDeps(op: ExecOp, inputCount: number, hasher: ContentHasher): CacheMapDep[] {
  const deps = Array.from({ length: inputCount }, (): Dependency => ({ selectors: [], contentBased: false }));
  for (const mount of op.mounts) {
    if (
      mount.mountType === MountType.SECRET ||
      mount.mountType === MountType.SSH ||
      mount.mountType === MountType.TMPFS ||
      mount.input === NONE
    ) {
      continue;
    }
    const dep = deps[Number(mount.input)];
    if (dep === undefined) {
      throw new CairnError(`invalid mountinput ${mount.input} of the mount at ${mount.dest}`, {
        code: 'SOLVE',
      });
    }
    const selector = join('/', mount.selector);
    dep.selectors.push(selector);
    dep.contentBased = isContentBased(mount, selector);
  }
  return deps.map((dep) => {
    const out: CacheMapDep = {};
    if (dep.selectors.length > 0) {
      out.selectorPreimage = dep.selectors.join('\0');
      out.selector = digestOf(out.selectorPreimage);
    }
    if (dep.contentBased) Object.assign(out, contentBased(toQueries(dedupePaths(dep.selectors)), hasher));
    return out;
  });
}

/**
 * A content key is right only where the result cannot carry on files that were not selected: nothing is output,
 * nothing can be written, or all of the input is selected. The root is left out as too large unless asked for.
 */
function isContentBased(mount: Mount, selector: string): boolean {
  const safe = mount.output === NONE || mount.readonly || selector === '/';
  switch (mount.contentCache) {
    case MountContentCache.OFF:
      return false;
    case MountContentCache.ON:
      if (safe) return true;
      throw new CairnError(`invalid mount cache content of the mount at ${mount.dest}`, {
        code: 'SOLVE',
        hint: 'Content-based caching needs a mount that is read-only, has no output or shows the whole input.',
      });
    default:
      return safe && mount.dest !== '/';
  }
}

function toQueries(paths: readonly string[]): ChecksumQuery[] {
  if (paths.includes('/')) return [];
  return paths.map((path) => ({ path, followLinks: true }));
}
