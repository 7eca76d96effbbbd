/** Turns a MountSpec into a path: overlay mounts with any number of lowers. In worker threads only. */
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CairnError } from '../errors/error.ts';
import {
  enterPrivateMounts,
  MNT_DETACH,
  mount,
  mountByOptions,
  MS_BIND,
  MS_RDONLY,
  MS_REC,
  MS_REMOUNT,
  umount2,
  withWorkingDirectory,
} from '../platform/syscalls_mount.ts';
import type { MountSpec } from './contract.ts';

export type OverlaySpec = Extract<MountSpec, { kind: 'overlay' }>;

/** The kernel's OVL_MAX_STACK. */
const MAX_LOWERS = 500;

/**
 * Runs `fn` on the files of `spec`. A directory is used in place; an overlay is mounted at a new place and
 * taken away afterwards, also when `fn` throws or rejects. Inside `fn` only synchronous fs and child
 * processes see the files of an overlay. `parent`: where the mount point is made.
 * @throws CairnError DENIED where mounting is not allowed
 */
export function withMount<T>(spec: MountSpec, fn: (path: string) => T, parent = tmpdir()): T {
  if (spec.kind === 'dir') return fn(spec.path);
  const target = mkdtempSync(join(parent, 'cairn-mount-'));
  try {
    mountOverlay(spec, target);
  } catch (error) {
    rmdirSync(target);
    throw error;
  }
  const release = (): void => {
    umount2(target, MNT_DETACH);
    rmdirSync(target);
  };
  let result: T;
  try {
    result = fn(target);
  } catch (error) {
    release();
    throw error;
  }
  if (result instanceof Promise) return result.finally(release) as T;
  release();
  return result;
}

/** Mounts `spec` at an existing directory, for runtimes that want one root. The caller unmounts. */
export function mountAt(spec: MountSpec, target: string): void {
  if (spec.kind === 'overlay') {
    mountOverlay(spec, target);
    return;
  }
  enterPrivateMounts();
  mount(spec.path, target, '', MS_BIND | MS_REC);
  if (spec.readonly) mount('none', target, '', MS_BIND | MS_REMOUNT | MS_RDONLY);
}

/**
 * Mounts an overlay at `target`. index, redirect_dir and metacopy are off, so that the upper directory is a
 * complete diff by itself. Where the kernel can, it is volatile: taking it away does not wait until everything on
 * the store's file system is on the disk, and fsync() in a step costs nothing. Layers that are unpacked are not
 * flushed either: after a power failure a store may have lost files.
 * @throws CairnError UNSUPPORTED above 500 lower layers
 */
export function mountOverlay(spec: OverlaySpec, target: string): void {
  if (spec.lowers.length > MAX_LOWERS) {
    throw new CairnError(`a file system of ${spec.lowers.length} layers cannot be mounted`, {
      code: 'UNSUPPORTED',
      hint: `The kernel's overlay file system takes ${MAX_LOWERS} layers; use fewer steps.`,
    });
  }
  enterPrivateMounts();
  if (spec.upper !== undefined && spec.work !== undefined) {
    mkdirSync(spec.work, { recursive: true });
    // What a volatile mount leaves behind: with it the kernel refuses to mount the directory again, as for the
    // second step that has a cache mount.
    rmSync(join(spec.work, 'work/incompat'), { recursive: true, force: true });
  }
  try {
    mountByOptions('overlay', target, [
      ['source', 'overlay'],
      ...spec.lowers.map((lower) => ['lowerdir+', lower] as const),
      ...layerOptions(spec, escapeBackslash),
      ...fixedOptions(spec),
      spec.upper === undefined ? ['ro', true] : ['volatile', true],
    ]);
  } catch (error) {
    if (!isUnknownOption(error)) throw error;
    mountByDescriptors(spec, target);
  }
}

/** EINVAL and ENOSYS also stand for an older kernel, whose answer then comes from mount(2). */
function isUnknownOption(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'EINVAL' || code === 'ENOSYS' || code === 'EPERM';
}

/**
 * mount(2) takes one page of options. Names of file descriptors, seen from /proc/self/fd, are short enough for
 * all lowers that the kernel allows, and need no quoting.
 */
export function mountByDescriptors(spec: OverlaySpec, target: string): void {
  const open: number[] = [];
  const name = (path: string): string => {
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
    open.push(fd);
    return String(fd);
  };
  try {
    const options = [
      `lowerdir=${spec.lowers.map(name).join(':')}`,
      ...[...layerOptions(spec, name), ...fixedOptions(spec)].map(([key, value]) =>
        value === true ? key : `${key}=${value}`,
      ),
    ];
    withWorkingDirectory('/proc/self/fd', () =>
      mount('overlay', target, 'overlay', spec.upper === undefined ? MS_RDONLY : 0, options.join(',')),
    );
  } finally {
    for (const fd of open) closeSync(fd);
  }
}

type Option = readonly [name: string, value: string | true];

function layerOptions(spec: OverlaySpec, name: (path: string) => string): Option[] {
  if (spec.upper === undefined || spec.work === undefined) return [];
  return [
    ['upperdir', name(spec.upper)],
    ['workdir', name(spec.work)],
  ];
}

function fixedOptions(spec: OverlaySpec): Option[] {
  return [
    ['index', 'off'],
    ['metacopy', 'off'],
    ...(spec.userxattr
      ? ([
          ['redirect_dir', 'nofollow'],
          ['userxattr', true],
        ] as const)
      : ([['redirect_dir', 'off']] as const)),
  ];
}

/** The kernel takes backslashes out of upperdir and workdir, not out of lowerdir+. */
function escapeBackslash(path: string): string {
  return path.replaceAll('\\', '\\\\');
}
