/** Reads single files out of what a source or a step gave: Dockerfiles, ignore files, a remote context's listing. */
import { readdirSync, readFileSync, readlinkSync, lstatSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { CairnError } from '../errors/error.ts';
import type { GatewayRef } from '../frontend/dockerfile/contract.ts';
import type { JobMap, JobPool } from '../platform/contract.ts';
import type { MountSpec, SnapshotStore, Tree } from '../snapshots/contract.ts';
import { withMount } from '../snapshots/mounts.ts';

/** A frontend's input is text; more than this is none (BuildKit reads a Dockerfile of up to 2 MiB over its gateway). */
const MAX_FILE_BYTES = 16 * 1024 * 1024;
/** As many links as Linux follows before it gives up with ELOOP. */
const MAX_LINKS = 40;
const GO_MODE_DIR = 0x8000_0000;

interface FileStat {
  path: string;
  mode: number;
  size: number;
  isDir: boolean;
}

type Question = { kind: 'read' | 'stat' | 'list'; path: string; offset?: number; length?: number };
type Answer = { bytes?: Uint8Array; stat?: FileStat; list?: { path: string; isDir: boolean }[] };

/** The gateway's view of a tree; undefined is scratch. A host directory is read in place, a snapshot in a job. */
export function gatewayRef(tree: Tree | undefined, snapshots: SnapshotStore, pool: JobPool): GatewayRef {
  const ask = async (question: Question): Promise<Answer> => {
    if (tree === undefined) return {};
    if (tree.kind === 'host') return answer(tree.root, question);
    const mount = await snapshots.view(tree);
    return pool.run<{ mount: MountSpec; question: Question }, Answer>('engine.readTree', { mount, question });
  };
  return {
    async readFile(path, range) {
      const { bytes } = await ask({ kind: 'read', path, ...range });
      if (bytes === undefined) throw notFound(path);
      return bytes;
    },
    async statFile(path) {
      return (await ask({ kind: 'stat', path })).stat;
    },
    async readDir(path) {
      const { list } = await ask({ kind: 'list', path });
      if (list === undefined) throw notFound(path);
      return list;
    },
  };
}

/** The jobs of this room. */
export const engineJobs: JobMap = {
  'engine.readTree': ({ mount, question }: { mount: MountSpec; question: Question }) =>
    withMount(mount, (root) => answer(root, question)),
};

function notFound(path: string): CairnError {
  return new CairnError(`failed to read ${path}: no such file or directory`, { code: 'NOT_FOUND' });
}

function answer(root: string, { kind, path, offset = 0, length }: Question): Answer {
  const found = resolveInRoot(root, path);
  if (found === undefined) return {};
  const { host, stats } = found;
  if (kind === 'stat') {
    const isDir = stats.isDirectory();
    const mode = (stats.mode & 0o777) + (isDir ? GO_MODE_DIR : 0);
    return { stat: { path, mode, size: stats.size, isDir } };
  }
  if (kind === 'list') {
    if (!stats.isDirectory()) return {};
    const entries = readdirSync(host, { withFileTypes: true });
    return {
      list: entries
        .map((entry) => ({ path: entry.name, isDir: entry.isDirectory() }))
        .sort((a, b) => (a.path < b.path ? -1 : 1)),
    };
  }
  if (!stats.isFile()) {
    throw new CairnError(
      `failed to read ${path}: it is ${stats.isDirectory() ? 'a directory' : 'not a regular file'}`,
      {
        code: 'DOCKERFILE',
      },
    );
  }
  if (stats.size > MAX_FILE_BYTES) {
    throw new CairnError(`failed to read ${path}: ${stats.size} bytes, at most ${MAX_FILE_BYTES} are read`, {
      code: 'DOCKERFILE',
    });
  }
  const bytes = readFileSync(host);
  return { bytes: bytes.subarray(offset, length === undefined ? undefined : offset + length) };
}

/** Follows links as a chroot at `root` would: none leads outside. */
function resolveInRoot(root: string, path: string): { host: string; stats: Stats } | undefined {
  let done: string[] = [];
  let todo = path.split('/');
  let links = 0;
  while (todo.length > 0) {
    const part = todo.shift() ?? '';
    if (part === '' || part === '.') continue;
    if (part === '..') {
      done.pop();
      continue;
    }
    const host = join(root, ...done, part);
    const stats = lstatSync(host, { throwIfNoEntry: false });
    if (stats === undefined) return undefined;
    if (stats.isSymbolicLink()) {
      if (++links > MAX_LINKS)
        throw new CairnError(`failed to read ${path}: too many levels of symbolic links`, {
          code: 'DOCKERFILE',
        });
      const target = readlinkSync(host);
      if (target.startsWith('/')) done = [];
      todo = [...target.split('/'), ...todo];
      continue;
    }
    if (todo.some((rest) => rest !== '' && rest !== '.') && !stats.isDirectory()) return undefined;
    done.push(part);
  }
  const host = join(root, ...done);
  const stats = lstatSync(host, { throwIfNoEntry: false });
  return stats === undefined ? undefined : { host, stats };
}
