/**
 * Bundles src/ into dist/: the command line and the worker, each one CommonJS file whose parts are set up at their
 * first use. Packages are in it, but for those with a native part and those that few builds need.
 */
import { build } from 'esbuild';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { protobufDescriptors } from './protobuf_descriptors.ts';

const OUT = 'dist';
const entries = { cairn: 'src/cli/main.ts', worker: 'src/engine/worker.ts' };

const { metafile } = await build({
  entryPoints: entries,
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
  external: ['koffi', '@aws-sdk/*', '@smithy/*', '@azure/*'],
  // import() becomes require(): of built-in modules that is several times faster.
  supported: { 'dynamic-import': false },
  define: { 'import.meta.url': 'bundleUrl' },
  banner: { js: "const bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
  plugins: [protobufDescriptors],
  metafile: true,
  logLevel: 'warning',
});

const made = new Set(Object.keys(metafile.outputs).map((file) => basename(file)));
if (existsSync(OUT)) {
  for (const file of readdirSync(OUT)) if (!made.has(file)) rmSync(join(OUT, file), { recursive: true });
}
