/**
 * Contract between the conformance command and the sets. A set is one module, sets/<name>.ts, that exports
 * `set: ConformanceSet`; it runs its cases through the project's real code paths and compares with the golden data.
 */

/** One case; running it twice is allowed. */
export interface ConformanceCase {
  /** As given to `--case`. */
  name: string;
  /** The first difference in readable form, see {@link firstDifference}; undefined: equal. A throw counts as one. */
  run(): Promise<string | undefined>;
}

export interface ConformanceSet {
  /** Cases that run at once; default: one. */
  parallel?: number;
  /**
   * The cases found under `dir`, a directory laid out as test/conformance/README.md says, sorted by name;
   * undefined: the set is absent there. Reads no more than it needs for the names.
   */
  cases(dir: string): ConformanceCase[] | undefined;
  /** Frees what the set holds once all cases ran: servers, scratch directories. */
  close?(): Promise<void>;
}

/** Names of the sets in the order of the table. */
export const SETS = ['llb', 'cachemaps', 'contenthash', 'caches', 'exec'] as const;
export type SetName = (typeof SETS)[number];
