/** Content digests of the trees that ops get: asked many times, computed once. */
import type { Digest } from '../../content/contract.ts';
import type { VertexProgress } from '../../progress/events.ts';
import type { Tree } from '../contract.ts';
import type { ChecksumQuery } from './checksum.ts';

export interface ContentHasher {
  /**
   * One digest per query, in their order. Undefined: scratch.
   * @throws CairnError NOT_FOUND `"/path": not found`, USAGE, SOLVE as checksum() does; CANCELED
   */
  checksums(
    tree: Tree | undefined,
    queries: readonly ChecksumQuery[],
    context: { signal: AbortSignal; progress?: VertexProgress },
  ): Promise<Digest[]>;
}
