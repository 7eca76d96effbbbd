/**
 * Bundles src/ into dist/: the command line and the worker, each one CommonJS file whose parts are set up at their
 * first use. Packages are in it, but for those with a native part; the SDKs of clouds, which are larger than all the
 * rest and which few builds need, are files of their own.
 */
import { build, type BuildOptions, type Plugin } from 'esbuild';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { lazyBuiltins } from './lazy_builtins.ts';
import { protobufDescriptors } from './protobuf_descriptors.ts';

const OUT = 'dist';
const ENTRIES = { cairn: 'src/cli/main.ts', worker: 'src/engine/worker.ts' };
/** Loaded when they are first imported. They must not import anything of src/: there would be two of it. */
const SDKS = {
  s3_sdk: 'src/cache/backends/s3/sdk.ts',
  azblob_sdk: 'src/cache/backends/azblob/sdk.ts',
  azblob_identity: 'src/cache/backends/azblob/identity_sdk.ts',
};

/** In place of an SDK its file, which bin/sdk.js loads with the code cache. */
const separateSdks: Plugin = {
  name: 'separate-sdks',
  setup(build) {
    const names = new Map(Object.entries(SDKS).map(([name, path]) => [resolve(path), name]));
    build.onResolve({ filter: /sdk\.ts$/ }, ({ path, resolveDir }) => {
      const name = names.get(resolve(resolveDir, path));
      return name === undefined ? undefined : { path: name, namespace: 'sdk' };
    });
    build.onLoad({ filter: /.*/, namespace: 'sdk' }, ({ path }) => ({
      contents: `module.exports = require('../bin/sdk.js').load(${JSON.stringify(path)});`,
    }));
  },
};

const options = {
  outdir: OUT,
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node24',
  // The launcher reads the bundle as Latin-1.
  charset: 'ascii',
  sourcemap: true,
  legalComments: 'none',
  // Half as much text to read at each start. Names stay, for stack traces.
  minifyWhitespace: true,
  minifySyntax: true,
  external: ['koffi', '../bin/sdk.js'],
  // import() becomes require(): of built-in modules that is several times faster.
  supported: { 'dynamic-import': false },
  define: { 'import.meta.url': 'bundleUrl' },
  banner: { js: "const bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
  metafile: true,
  logLevel: 'warning',
} as const satisfies BuildOptions;

const results = await Promise.all([
  build({ ...options, entryPoints: ENTRIES, plugins: [protobufDescriptors, lazyBuiltins, separateSdks] }),
  // ES modules: what of them is not used is left out.
  build({ ...options, entryPoints: SDKS, mainFields: ['module', 'main'] }),
]);

const outputs = results.flatMap(({ metafile }) => Object.keys(metafile.outputs));
const made = new Set(outputs.map((file) => basename(file)));
if (existsSync(OUT)) {
  for (const file of readdirSync(OUT)) if (!made.has(file)) rmSync(join(OUT, file), { recursive: true });
}
