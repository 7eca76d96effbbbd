// Entry of the worker threads of a bundle; the pool names the thread's lane.
const { join } = require('node:path');

/** A thread is ended from outside, so it learns while it lives; one that lives shorter has not run much. */
const LEARN_AFTER_MS = 1000;

const [, , lane] = process.argv;
require('./code_cache.js').load(join(__dirname, '../dist/worker.cjs'), `worker-${lane}`, (learn) =>
  setTimeout(learn, LEARN_AFTER_MS).unref(),
);
