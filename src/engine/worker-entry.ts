/** Where the worker threads' entry is: beside this file, in a source checkout as in the bundle. */
export const workerEntryUrl = new URL(
  import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.cjs',
  import.meta.url,
);
