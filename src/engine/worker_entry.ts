/** Where the worker threads' entry is: beside this file, or what loads the bundled one. */
export const workerEntryUrl = new URL(
  import.meta.url.endsWith('.ts') ? './worker.ts' : '../bin/worker.js',
  import.meta.url,
);
