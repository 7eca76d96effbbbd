/** Owners of `--chown`, by number or by name from the passwd and group files of a tree (BuildKit, ops/user_linux.go). */
import { closeSync, openSync, readSync } from 'node:fs';
import { CairnError } from '../../errors/error.ts';
import type { ChownOpt } from '../../llb/gen/ops_pb.js';
import { S_IFMT, S_IFREG } from '../../snapshots/changes/file_info.ts';
import { fsPath, displayName } from '../../snapshots/names.ts';
import { rootPath, type TreeFiles } from './tree_files.ts';

export interface Owner {
  uid: number;
  gid: number;
}

/** As BuildKit reads of a passwd or group file. */
const MAX_BYTES = 10 * 1024 * 1024;

/**
 * Undefined: no owner is asked for. A name that is not found counts as 0, and so does one in a tree that has no
 * such file.
 * @throws CairnError SOLVE for a passwd or group file that is no regular file or too long
 */
export function lookUpOwner(
  opt: ChownOpt | undefined,
  userTree: TreeFiles,
  groupTree: TreeFiles,
): Owner | undefined {
  if (opt === undefined) return undefined;
  const owner: Owner = { uid: 0, gid: 0 };
  const user = opt.user?.user;
  if (user?.case === 'byID') {
    owner.uid = user.value;
    owner.gid = user.value;
  } else if (user?.case === 'byName') {
    const fields = findLine(userTree, '/etc/passwd', user.value.name);
    owner.uid = toNumber(fields?.[2]);
    owner.gid = toNumber(fields?.[3]);
  }
  const group = opt.group?.user;
  if (group?.case === 'byID') owner.gid = group.value;
  else if (group?.case === 'byName') {
    const fields = findLine(groupTree, '/etc/group', group.value.name);
    if (fields !== undefined) owner.gid = toNumber(fields[2]);
  }
  return owner;
}

/** Fields of the first line for `name`; undefined: none, or no such file. */
function findLine(files: TreeFiles, path: string, name: string): string[] | undefined {
  for (const line of readText(files, path).split('\n')) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const fields = trimmed.split(':');
    if (fields[0] === name) return fields;
  }
  return undefined;
}

function readText(files: TreeFiles, path: string): string {
  let resolved: string;
  let info;
  try {
    resolved = rootPath(files, path);
    info = files.lstat(resolved);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return '';
    throw error;
  }
  if (info === undefined) return '';
  if ((info.mode & S_IFMT) !== S_IFREG) {
    throw new CairnError(`${displayName(resolved)} is not a regular file`, { code: 'SOLVE' });
  }
  if (info.size > MAX_BYTES) throw new CairnError(`"${path}" exceeds ${MAX_BYTES} bytes`, { code: 'SOLVE' });
  const buffer = Buffer.alloc(info.size);
  const fd = openSync(fsPath(files.root + resolved), 'r');
  try {
    return buffer.toString('utf8', 0, readSync(fd, buffer, 0, buffer.length, 0));
  } finally {
    closeSync(fd);
  }
}

function toNumber(field: string | undefined): number {
  return field !== undefined && /^\d+$/.test(field) ? Number(field) : 0;
}
