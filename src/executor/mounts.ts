/**
 * Makes a step's mounts ready for the runtime: trees, tmpfs, secrets, agent sockets (BuildKit
 * executor/oci/spec.go and solver/llbsolver/mounts, v0.32.2). In the exec thread, whose mounts are its own.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  mkdirSync,
  openSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { getSystemErrorMessage } from 'node:util';
import { CairnError } from '../errors/error.ts';
import {
  MNT_DETACH,
  mount,
  MS_BIND,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_REC,
  umount2,
} from '../platform/syscalls_mount.ts';
import { mountAt } from '../snapshots/mounts.ts';
import { forwardAgent } from './agent_socket.ts';
import type { Cleanup } from './cleanup.ts';
import type { ExecMount } from './contract.ts';
import { lockedMountOptions } from './locked_options.ts';
import type { OciMount } from './oci_spec.ts';
import { rootPath } from './root_path.ts';

const O_PATH = 0o10000000;
/** How often a path that changes under our hands is looked up again. */
const MAX_RESOLVE_TRIES = 10;

/** Mounts `mounts` below `bundle`, in their order; what is to be undone afterwards is added to `cleanup`. */
export async function prepareMounts(
  mounts: readonly ExecMount[],
  bundle: string,
  rootless: boolean,
  cleanup: Cleanup,
): Promise<OciMount[]> {
  const ready: OciMount[] = [];
  for (const [index, { dest, readonly, source }] of mounts.entries()) {
    const place = join(bundle, `mount-${index}`);
    const bound = (from: string, options: string[]): OciMount => ({
      destination: join('/', dest),
      type: 'bind',
      source: from,
      options: rootless ? [...new Set([...options, ...lockedMountOptions(from)])] : options,
    });
    switch (source.kind) {
      case 'tree': {
        const tree = mountedTree(source.mount, place, cleanup);
        const from = selected(tree, source.selector, `${place}-selected`, cleanup);
        ready.push(bound(from, readonly ? ['rbind', 'ro'] : ['rbind']));
        break;
      }
      case 'tmpfs':
        ready.push({
          destination: join('/', dest),
          type: 'tmpfs',
          source: 'tmpfs',
          options: [
            'nosuid',
            ...(readonly ? ['ro'] : []),
            ...(source.sizeBytes > 0 ? [`size=${source.sizeBytes}`] : []),
          ],
        });
        break;
      case 'secret': {
        const noexec = (source.mode & 0o111) === 0;
        mkdirSync(place, { mode: 0o711 });
        mount('tmpfs', place, 'tmpfs', MS_NODEV | MS_NOSUID | (noexec ? MS_NOEXEC : 0));
        cleanup.add(() => umount2(place, MNT_DETACH));
        // Not as an option of the mount, which the step would see.
        chmodSync(place, 0o711);
        const file = join(place, 'secret');
        writeFileSync(file, source.data, { mode: 0o600 });
        chownSync(file, source.uid, source.gid);
        chmodSync(file, source.mode & 0o777);
        ready.push(bound(file, ['ro', 'rbind', 'nodev', 'nosuid', ...(noexec ? ['noexec'] : [])]));
        break;
      }
      case 'ssh': {
        mkdirSync(place, { mode: 0o711 });
        const agent = await forwardAgent(join(place, 'agent'), source);
        cleanup.add(() => agent.close());
        ready.push(bound(agent.path, ['rbind']));
        break;
      }
    }
  }
  return ready;
}

function mountedTree(
  spec: Extract<ExecMount['source'], { kind: 'tree' }>['mount'],
  place: string,
  cleanup: Cleanup,
): string {
  if (spec.kind === 'dir') return spec.path;
  mkdirSync(place, { mode: 0o700 });
  mountAt(spec, place);
  cleanup.add(() => umount2(place, MNT_DETACH));
  return place;
}

/**
 * What `selector` names inside `tree`, bound to a place of its own: from then on nobody can exchange a
 * directory on the way for a link that leads out of the tree.
 * @throws CairnError SOLVE when it is not there
 */
function selected(tree: string, selector: string, place: string, cleanup: Cleanup): string {
  if (join('/', selector) === '/') return tree;
  for (let tries = 0; tries < MAX_RESOLVE_TRIES; tries++) {
    const path = rootPath(tree, selector);
    let fd: number;
    try {
      fd = openSync(path, O_PATH);
    } catch (error) {
      throw new CairnError(
        `open ${path.slice(tree.length)}: ${getSystemErrorMessage((error as NodeJS.ErrnoException).errno ?? 0)}`,
        { code: 'SOLVE', cause: error },
      );
    }
    try {
      const name = `/proc/self/fd/${fd}`;
      if (readlinkSync(name) !== path) continue;
      if (statSync(name).isDirectory()) mkdirSync(place, { mode: 0o700 });
      else writeFileSync(place, '');
      mount(name, place, '', MS_BIND | MS_REC);
      cleanup.add(() => umount2(place, MNT_DETACH));
      return place;
    } finally {
      closeSync(fd);
    }
  }
  throw new CairnError(`${selector} changes while it is mounted`, { code: 'SOLVE' });
}
