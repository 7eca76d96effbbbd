/** The owners that files can have in this user namespace. */
import { readFileSync } from 'node:fs';

interface Range {
  first: number;
  count: number;
}

/** Ids of a namespace that has them all (user_namespaces(7): one line, 4294967295 ids). */
const ALL_IDS = 4_294_967_295;

export interface IdMaps {
  /** Every id can be given, as outside of user namespaces. */
  readonly all: boolean;
  has(uid: number, gid: number): boolean;
}

/** Of this process. */
export function idMaps(): IdMaps {
  return parseIdMaps(
    readFileSync('/proc/self/uid_map', 'latin1'),
    readFileSync('/proc/self/gid_map', 'latin1'),
  );
}

/** Both in the format of /proc/PID/uid_map: first id inside, first id outside, count. */
export function parseIdMaps(uidMap: string, gidMap: string): IdMaps {
  const uids = ranges(uidMap);
  const gids = ranges(gidMap);
  const all = [uids, gids].every((map) => map.some(({ first, count }) => first === 0 && count >= ALL_IDS));
  return { all, has: (uid, gid) => all || (contains(uids, uid) && contains(gids, gid)) };
}

function ranges(text: string): Range[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [first = 0, , count = 0] = line.trim().split(/\s+/).map(Number);
      return { first, count };
    });
}

function contains(map: readonly Range[], id: number): boolean {
  return map.some(({ first, count }) => id >= first && id < first + count);
}
