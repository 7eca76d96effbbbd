/** Rules of collection and their defaults (BuildKit cmd/buildkitd/config/gcpolicy.go, v0.32.2). */
import { statfsSync } from 'node:fs';

/** What one pass of a collection may delete (BuildKit's client.PruneInfo). */
export interface PruneRule {
  /** As parseUsageFilters() takes them; none: everything. */
  filters?: readonly string[];
  /** Internal, frontend and shared records, too. */
  all?: boolean;
  /** Keep what was used within that many milliseconds; 0: no matter when. */
  keepDuration?: number;
  /** Bytes that the cache may always have. */
  reservedSpace?: number;
  /** Bytes that it may have at most. */
  maxUsedSpace?: number;
  /** Bytes that should be free on the disk. */
  minFreeSpace?: number;
}

type SpaceLimits = Pick<PruneRule, 'reservedSpace' | 'maxUsedSpace' | 'minFreeSpace'>;

/** A size in bytes or in percent of the disk. */
export type DiskSpace = { bytes: number } | { percent: number };

/** A rule of the configuration file, which depends on the disk. */
export interface GivenRule extends Pick<PruneRule, 'filters' | 'all' | 'keepDuration'> {
  reservedSpace?: DiskSpace;
  maxUsedSpace?: DiskSpace;
  minFreeSpace?: DiskSpace;
}

/** The collection's settings of the configuration file; what is absent takes BuildKit's default when all are. */
export interface GcSettings {
  /** False: never collect by itself. */
  enabled?: boolean;
  reservedSpace?: DiskSpace;
  maxUsedSpace?: DiskSpace;
  minFreeSpace?: DiskSpace;
  /** In place of the passes that there are by default and the sizes above; none: those. */
  rules?: readonly GivenRule[];
}

export interface Disk {
  /** In bytes. */
  total: number;
  free: number;
}

const GB = 1e9;
const HOUR = 3_600_000;

const DEFAULT_RESERVED = { percent: 10, atMost: 10 * GB };
const DEFAULT_MAX_USED = { percent: 80, atMost: 100 * GB };
const DEFAULT_MIN_FREE = { percent: 20 };
/** A percentage of a disk of unknown size. */
const UNKNOWN_DISK = 2 * GB;

export function diskOf(path: string): Disk {
  const { bsize, blocks, bfree } = statfsSync(path);
  return { total: bsize * blocks, free: bsize * bfree };
}

/** A percentage is rounded up to whole units: GiB are counted, GB are given. */
export function bytesOf(space: DiskSpace, disk: Disk): number {
  if ('bytes' in space) return space.bytes;
  if (space.percent === 0) return 0;
  if (disk.total === 0) return UNKNOWN_DISK;
  const share = Math.floor((disk.total * space.percent) / 100);
  return (Math.floor(share / 2 ** 30) + 1) * GB;
}

/** The passes of an automatic collection, from what is easiest to make again to everything. */
export function collectionRules(settings: GcSettings, disk: Disk): PruneRule[] {
  if (settings.enabled === false) return [];
  if (settings.rules !== undefined && settings.rules.length > 0) {
    return settings.rules.map(({ filters = [], all = false, keepDuration = 0, ...space }) => {
      return { filters, all, keepDuration, ...givenSpace(space, disk) };
    });
  }
  const unset =
    settings.reservedSpace === undefined &&
    settings.maxUsedSpace === undefined &&
    settings.minFreeSpace === undefined;
  const space = unset ? defaultSpace(disk) : givenSpace(settings, disk);
  return [
    {
      filters: ['type==source.local', 'type==exec.cachemount', 'type==source.git.checkout'],
      keepDuration: 48 * HOUR,
      maxUsedSpace: 512e6,
    },
    { keepDuration: 60 * 24 * HOUR, ...space },
    space,
    { all: true, ...space },
  ];
}

function defaultSpace(disk: Disk): SpaceLimits {
  const limited = ({ percent, atMost }: { percent: number; atMost: number }): number =>
    Math.min(bytesOf({ percent }, disk), atMost);
  return {
    reservedSpace: limited(DEFAULT_RESERVED),
    maxUsedSpace: limited(DEFAULT_MAX_USED),
    minFreeSpace: bytesOf(DEFAULT_MIN_FREE, disk),
  };
}

function givenSpace(given: GivenRule, disk: Disk): SpaceLimits {
  const { reservedSpace, maxUsedSpace, minFreeSpace } = given;
  return {
    ...(reservedSpace === undefined ? {} : { reservedSpace: bytesOf(reservedSpace, disk) }),
    ...(maxUsedSpace === undefined ? {} : { maxUsedSpace: bytesOf(maxUsedSpace, disk) }),
    ...(minFreeSpace === undefined ? {} : { minFreeSpace: bytesOf(minFreeSpace, disk) }),
  };
}

/** Down to how many bytes a pass deletes; 0: it deletes all that it may. */
export function keepBytes(rule: PruneRule, used: number, disk: Disk): number {
  const { reservedSpace = 0, maxUsedSpace = 0, minFreeSpace = 0 } = rule;
  if (reservedSpace === 0 && maxUsedSpace === 0 && minFreeSpace === 0) return 0;
  let keep = maxUsedSpace;
  const excess = minFreeSpace - disk.free;
  if (minFreeSpace !== 0 && excess > 0) {
    keep = keep === 0 ? used - excess : Math.min(keep, used - excess);
  } else if (minFreeSpace !== 0 && keep === 0) {
    keep = used;
  }
  return Math.max(keep, reservedSpace);
}
