/** What ops need from the rooms below; the engine makes one of these per build. */
import type { Executor } from '../executor/contract.ts';
import type { JobPool } from '../platform/contract.ts';
import type { ContentHasher } from '../snapshots/contenthash/hasher.ts';
import type { SnapshotStore } from '../snapshots/contract.ts';
import type { SourceResolver } from '../sources/contract.ts';
import type { Store } from '../store/contract.ts';
import type { CompressionConfig } from '../content/contract.ts';
import type { Vertex } from '../llb/graph.ts';
import type { SecretSource } from './contract.ts';

export interface OpServices {
  store: Store;
  snapshots: SnapshotStore;
  pool: JobPool;
  contentHasher: ContentHasher;
  sources: SourceResolver;
  secrets: SecretSource;
  /** Found when the first step runs: a build that is all cached looks for no runtime. */
  executor(): Promise<Executor>;
  /** Waits for one of the slots for steps that run at once; undefined: no limit. Returns its release. */
  execSlot?: ((signal: AbortSignal) => Promise<() => void>) | undefined;
  /**
   * The compression in which the layer of a vertex' output is wanted, when as far as is known nobody needs its files:
   * it is then best written as a blob at once. Undefined: make its files.
   */
  directLayer?: ((vertex: Vertex, output: number) => CompressionConfig | undefined) | undefined;
}
