/**
 * Modules of Node that many builds do not use are loaded when something of them is: loading all of them at the start
 * takes about a twentieth of a cached build.
 */
import type { Plugin } from 'esbuild';
import { createRequire } from 'node:module';

const LAZY = new Set([
  'node:child_process',
  'node:fs/promises',
  'node:readline',
  'node:timers/promises',
  'node:worker_threads',
  'node:zlib',
]);

const NAMESPACE = 'lazy-builtin';
const require = createRequire(import.meta.url);

/** A module with the same names; reading one of them loads the real module. */
function standIn(name: string): string {
  const load = `require(${JSON.stringify(name)})`;
  const names = Object.keys(require(name) as object).filter((key) => key !== 'default');
  const getters = names.map(
    (key) => `${JSON.stringify(key)}: { enumerable: true, get: () => ${load}.${key} }`,
  );
  return `Object.defineProperties(exports, { ${getters.join(', ')} });`;
}

export const lazyBuiltins: Plugin = {
  name: 'lazy-builtins',
  setup(build) {
    build.onResolve({ filter: /^(?:node:)?[a-z_]+(?:\/promises)?$/ }, ({ path, namespace }) => {
      const name = path.startsWith('node:') ? path : `node:${path}`;
      // What the stand-in itself asks for is the real one.
      return namespace === NAMESPACE || !LAZY.has(name) ? undefined : { path: name, namespace: NAMESPACE };
    });
    build.onLoad({ filter: /.*/, namespace: NAMESPACE }, ({ path }) => ({ contents: standIn(path) }));
  },
};
