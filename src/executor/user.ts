/**
 * Users and groups by name in a root file system (BuildKit executor/oci/user.go, v0.32.2, and
 * github.com/moby/sys/user).
 */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { CairnError } from '../errors/error.ts';
import { rootPath } from './root_path.ts';

export interface ExecUser {
  uid: number;
  gid: number;
  /** Supplementary groups, without the primary one. */
  additionalGids: number[];
}

/** Of /etc/passwd and /etc/group, in bytes. */
const MAX_FILE_BYTES = 10 << 20;
const MAX_ID = 0x7fffffff;
/** Of two numbers, which are taken without looking them up. */
const MAX_PLAIN_ID = 0xffffffff;

/**
 * Looks up `user[:group]`, each by name or number, in the tree at `root`; empty is root with root's groups.
 * Two numbers are taken as they are. A number alone need not be in /etc/passwd.
 * @throws CairnError NOT_FOUND with BuildKit's words when a name is not there
 */
export function lookupUser(root: string, spec: string): ExecUser {
  const [, uid, gid] = /^(root|\d+):(root|\d+)$/.exec(spec) ?? [];
  if (uid !== undefined && gid !== undefined) {
    const pair = { uid: plainId(uid), gid: plainId(gid), additionalGids: [] };
    if (pair.uid <= MAX_PLAIN_ID && pair.gid <= MAX_PLAIN_ID) return pair;
  }
  try {
    return execUser(spec === '' ? '0' : spec, records(root, '/etc/passwd'), records(root, '/etc/group'));
  } catch (error) {
    if (spec === '') return { uid: 0, gid: 0, additionalGids: [] };
    throw error;
  }
}

/** The home directory of a user by number, as runtimes set HOME; `/` where /etc/passwd does not know it. */
export function homeOf(root: string, uid: number): string {
  const entry = records(root, '/etc/passwd')?.find((fields) => id(fields[2]) === uid);
  return entry?.[5] === undefined || entry[5] === '' ? '/' : entry[5];
}

function plainId(text: string): number {
  return text === 'root' ? 0 : Number(text);
}

function execUser(spec: string, passwd: string[][] | undefined, group: string[][] | undefined): ExecUser {
  const [userName = '', groupName = ''] = spec.split(':');
  const uidNumber = numeric(userName);
  const gidNumber = numeric(groupName);

  const entry = passwd?.find(([name, , uid]) =>
    userName === '' ? id(uid) === 0 : uidNumber === undefined ? name === userName : id(uid) === uidNumber,
  );
  if (entry === undefined && userName !== '' && uidNumber === undefined) {
    throw notFound(`unable to find user ${userName}: no matching entries in passwd file`);
  }
  const user: ExecUser = {
    uid: entry === undefined ? (uidNumber ?? 0) : id(entry[2]),
    gid: entry === undefined ? 0 : id(entry[3]),
    additionalGids: [],
  };

  if (groupName !== '') {
    const found = group?.find(([name, , gid]) =>
      gidNumber === undefined ? name === groupName : id(gid) === gidNumber,
    );
    if (found === undefined && gidNumber === undefined) {
      throw notFound(`unable to find group ${groupName}: no matching entries in group file`);
    }
    user.gid = found === undefined ? (gidNumber ?? 0) : id(found[2]);
  } else if (entry !== undefined) {
    const name = entry[0] ?? '';
    user.additionalGids = (group ?? [])
      .filter(([, , , members]) => members !== undefined && members.split(',').includes(name))
      .map(([, , gid]) => id(gid));
  }
  return user;
}

/** The number that `text` is, or undefined: then it is a name. */
function numeric(text: string): number | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined;
  const number = Number(text);
  if (number < 0 || number > MAX_ID) throw notFound(`uids and gids must be in range 0-${MAX_ID}`);
  return number;
}

/** Fields that are no numbers count as 0, as in Go's parser. */
function id(field: string | undefined): number {
  return field !== undefined && /^[+-]?\d+$/.test(field) ? Number(field) : 0;
}

/**
 * Lines of a passwd-like file, split; undefined: there is no such file. `#` begins a comment in a group file only:
 * in a passwd file such a line is a user like any other, of number 0 where it has no third field.
 */
function records(root: string, path: string): string[][] | undefined {
  let fd: number;
  try {
    fd = openSync(rootPath(root, path), 'r');
  } catch {
    return undefined;
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) return undefined;
    if (stat.size > MAX_FILE_BYTES) throw notFound(`"${path}" exceeds ${MAX_FILE_BYTES} bytes`);
    return readFileSync(fd, 'utf8')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !(path === '/etc/group' && line.startsWith('#')))
      .map((line) => line.split(':'));
  } finally {
    closeSync(fd);
  }
}

function notFound(message: string): CairnError {
  return new CairnError(message, {
    code: 'NOT_FOUND',
    hint: 'Users and groups are looked up in /etc/passwd and /etc/group of the image; numbers always work.',
  });
}
