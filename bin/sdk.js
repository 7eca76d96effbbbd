// The SDKs of clouds that cache backends need, each a bundle of its own beside the command line's.
const { join } = require('node:path');
const codeCache = require('./code_cache.js');

/** Reading runs other functions than writing, and what is learned is what the first build ran. */
const use = ['--cache-from', '--cache-to'].filter((flag) =>
  process.argv.some((argument) => argument.startsWith(flag)),
);

/**
 * @param name of a file in dist/
 * @returns its exports
 */
exports.load = function load(name) {
  return codeCache.load(join(__dirname, `../dist/${name}.cjs`), name + use.join(''), (learn) =>
    process.once('exit', (code) => {
      if (code === 0) learn();
    }),
  );
};
