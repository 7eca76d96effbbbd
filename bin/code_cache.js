// Loads the bundle with V8's code cache of what an earlier build ran. Node's own compile cache keeps only what runs
// while a module loads, and the other functions, compiled at their first call, are half of a cached build's time.
const fs = require('node:fs');
const Module = require('node:module');
const { dirname, join } = require('node:path');
const { Script } = require('node:vm');

/** Caches of other bundles and versions that are kept beside the newest. */
const MOST_FILES = 19;
const WRITABLE_BY_OTHERS = 0o022;

/**
 * A directory of this user: who may write here decides what cairn runs.
 * @returns undefined where the user has none, or does not want one
 */
function cacheDirectory({ XDG_CACHE_HOME: cache, HOME: home, NODE_DISABLE_COMPILE_CACHE: disabled }) {
  if (disabled) return undefined;
  if (cache) return join(cache, 'cairn/code');
  return home ? join(home, '.cache/cairn/code') : undefined;
}

/** V8 compares no more than the length of the source; a change time cannot be set, and so tells bundles apart. */
function nameOf(bundle) {
  const { ino, size, ctimeMs } = fs.statSync(bundle);
  return `${process.versions.v8}-${ino}-${size}-${Math.floor(ctimeMs)}`;
}

/** Undefined where there is none, or where somebody else may have written it. */
function read(file) {
  let fd;
  try {
    fd = fs.openSync(file, 'r');
  } catch {
    return undefined;
  }
  try {
    const { uid, mode } = fs.fstatSync(fd);
    return uid === process.geteuid() && (mode & WRITABLE_BY_OTHERS) === 0 ? fs.readFileSync(fd) : undefined;
  } finally {
    fs.closeSync(fd);
  }
}

function write(directory, name, data) {
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  const temporary = join(directory, `${name}.${process.pid}`);
  fs.writeFileSync(temporary, data, { mode: 0o600 });
  fs.renameSync(temporary, join(directory, name));
  const age = (file) => fs.statSync(join(directory, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const others = fs.readdirSync(directory).filter((file) => file !== name);
  others.sort((a, b) => age(b) - age(a));
  for (const file of others.slice(MOST_FILES)) fs.rmSync(join(directory, file), { force: true });
}

/**
 * @param bundle a CommonJS module whose text is ASCII
 * @param part which of several uses of the bundle this is: each runs other functions
 * @param whenToLearn calls back once what the next start will need has run
 * @returns the module's exports
 */
exports.load = function load(bundle, part, whenToLearn) {
  const directory = cacheDirectory(process.env);
  const name = `${part}-${nameOf(bundle)}`;
  const cachedData = directory === undefined ? undefined : read(join(directory, name));
  const script = new Script(Module.wrap(fs.readFileSync(bundle, 'latin1')), { filename: bundle, cachedData });
  if (directory !== undefined && script.cachedDataRejected !== false) {
    whenToLearn(() => {
      try {
        write(directory, name, script.createCachedData());
      } catch {
        // A full or read-only disk: the next start is as slow as this one was.
      }
    });
  }
  const module = new Module(bundle);
  module.filename = bundle;
  script.runInThisContext()(module.exports, Module.createRequire(bundle), module, bundle, dirname(bundle));
  return module.exports;
};
