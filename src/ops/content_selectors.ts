/**
 * What of an input counts for a content-based key, and the key itself (BuildKit v0.32.2, solver/llbsolver/ops:
 * opsutils/contenthash.go, and the deduplication in exec.go and file.go).
 */
import type { Digest } from '../content/contract.ts';
import { CairnError, messageOf } from '../errors/error.ts';
import { digestOf } from '../llb/digest.ts';
import type { ChecksumQuery } from '../snapshots/contenthash/checksum.ts';
import type { ContentHasher } from '../snapshots/contenthash/hasher.ts';
import { join } from '../snapshots/patterns/go_path.ts';
import type { CacheMapDep } from './contract.ts';

/** Order of Go strings: by UTF-8 bytes, which is the order of code points. */
export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Without duplicates and paths below others, sorted; a single path stays as it is. */
export function dedupePaths(paths: readonly string[]): string[] {
  if (paths.length <= 1) return [...paths];
  const all = [...new Set(paths)];
  const inside = (path: string, parent: string): boolean =>
    path !== parent && path.startsWith(parent.endsWith('/') ? parent : `${parent}/`);
  return all.filter((path) => !all.some((parent) => inside(path, parent))).sort(compareBytes);
}

/** Selectors of a file op in the order in which they are hashed. */
export function dedupeSelectors(selectors: readonly ChecksumQuery[]): ChecksumQuery[] {
  const plain = selectors.filter((selector) => !hasFilters(selector));
  const notFollowed = plain.filter((selector) => selector.followLinks !== true);
  const followed = plain.filter((selector) => selector.followLinks === true);
  return [
    ...dedupePaths(notFollowed.map((selector) => selector.path)).map((path) => ({ path })),
    ...dedupePaths(followed.map((selector) => selector.path)).map((path) => ({ path, followLinks: true })),
    ...selectors.filter(hasFilters),
  ].sort((a, b) => compareBytes(a.path, b.path));
}

const WHERE =
  'Paths are those of the build context, or of what --from names; what .dockerignore leaves out is not there.';

function hasFilters(selector: ChecksumQuery): boolean {
  return (
    selector.wildcard === true ||
    (selector.includePatterns?.length ?? 0) > 0 ||
    (selector.excludePatterns?.length ?? 0) > 0
  );
}

/** The content-based parts of a dependency that selects `selectors`; none of them: the whole input. */
export function contentBased(
  selectors: readonly ChecksumQuery[],
  hasher: ContentHasher,
): Required<Pick<CacheMapDep, 'contentDigest' | 'contentSelectors'>> {
  const wanted = selectors.length === 0 ? [{ path: '' }] : selectors;
  return {
    contentSelectors: wanted,
    async contentDigest(input, context) {
      const queries = wanted.map((selector) => ({ ...selector, path: join('/', selector.path) }));
      let digests: Digest[];
      try {
        digests = await hasher.checksums(input, queries, context);
      } catch (error) {
        if (context.signal.aborted) throw error;
        const known = error instanceof CairnError ? error : undefined;
        throw new CairnError(`failed to calculate checksum of ref ${input?.id ?? ''}: ${messageOf(error)}`, {
          code: known?.code ?? 'SOLVE',
          hint: known?.hint ?? (known?.code === 'NOT_FOUND' ? WHERE : undefined),
          cause: error,
        });
      }
      return digestOf(digests.join('\0'));
    },
  };
}
