/**
 * Directories of the client's are read in place: hashed for the key first, copied later. A file that changes in
 * between would be stored under the key of what it was, for this build and for everybody who imports its cache.
 */
import type { Digest } from '../content/contract.ts';
import { CairnError } from '../errors/error.ts';
import type { HostTree, Tree } from '../snapshots/contract.ts';
import type { CacheMapDep, Op } from './contract.ts';

interface Hashed {
  dep: Required<Pick<CacheMapDep, 'contentDigest'>>;
  tree: HostTree;
  digest: Digest;
}

/**
 * The same op, but its run fails when what it read of a client's directory is not what its key was made from.
 * Unchanged files are told by stat alone.
 */
export function guardHostInputs(op: Op): Op {
  const hashed = new Map<number, Hashed>();
  return {
    ...op,
    async cacheMap(index, context) {
      const { map, done } = await op.cacheMap(index, context);
      return { map: { ...map, deps: map.deps.map((dep, input) => remembering(dep, input, hashed)) }, done };
    },
    async run(inputs, context) {
      const results = await op.run(inputs, context);
      for (const { dep, tree, digest } of hashed.values()) {
        // Another object stands for another look at the directory.
        if ((await dep.contentDigest({ ...tree }, context)) === digest) continue;
        throw new CairnError(`files of ${tree.root} changed while they were copied`, {
          code: 'SOLVE',
          hint: 'Build again; files that change all the time belong into .dockerignore.',
        });
      }
      return results;
    },
  };
}

function remembering(dep: CacheMapDep, input: number, hashed: Map<number, Hashed>): CacheMapDep {
  const { contentDigest } = dep;
  if (contentDigest === undefined) return dep;
  return {
    ...dep,
    async contentDigest(tree: Tree | undefined, context) {
      const digest = await contentDigest(tree, context);
      if (tree?.kind === 'host') hashed.set(input, { dep: { contentDigest }, tree, digest });
      return digest;
    },
  };
}
