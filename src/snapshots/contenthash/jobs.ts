/** Jobs that compute content digests in worker threads. */
import type { Digest } from '../../content/contract.ts';
import type { JobContext, JobMap } from '../../platform/contract.ts';
import type { MountSpec } from '../contract.ts';
import { withMount } from '../mounts.ts';
import { checksum, type ChecksumQuery } from './checksum.ts';
import { DirectoryReader } from './directory.ts';
import { hashHostFiles, type HashedFile } from './host_hash.ts';
import { loadIndex, storeIndex } from './stored_index.ts';
import { TreeIndex } from './tree_index.ts';
import { readXattrs } from './xattrs.ts';

export interface ChecksumArgs {
  mount: MountSpec;
  queries: ChecksumQuery[];
  /** Where the mount point is made. */
  mountParent: string;
  /** What earlier queries of the same tree left. */
  index: string | undefined;
}

export interface ChecksumResult {
  digests: Digest[];
  /** Set when it has grown. */
  index: string | undefined;
}

function checksums(
  { mount, queries, mountParent, index }: ChecksumArgs,
  { signal }: JobContext,
): ChecksumResult {
  const compute = (path: string): ChecksumResult => {
    const reader = new DirectoryReader(path, readXattrs, signal);
    const tree = new TreeIndex(reader, index === undefined ? undefined : loadIndex(index));
    const digests = queries.map((query) => checksum(tree, query));
    return { digests, index: tree.changed ? storeIndex(tree.root) : undefined };
  };
  return withMount(mount, compute, mountParent);
}

function hashFiles(args: { root: string; paths: string[] }, { signal }: JobContext): HashedFile[] {
  return hashHostFiles(args.root, args.paths, signal);
}

export const contentHashJobs = {
  'contenthash.checksums': checksums,
  'contenthash.hostFiles': hashFiles,
} satisfies JobMap;
