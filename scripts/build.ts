/** Bundles src/ into dist/: the command line and the worker, as plain JavaScript that old launchers can start. */
import { build } from 'esbuild';
import { existsSync } from 'node:fs';

const entries = { cairn: 'src/cli/main.ts', worker: 'src/engine/worker.ts' };
const present = Object.fromEntries(Object.entries(entries).filter(([, file]) => existsSync(file)));

await build({
  entryPoints: present,
  outdir: 'dist',
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  sourcemap: true,
  legalComments: 'none',
  // Packages stay outside: their own files are found in node_modules, and koffi has a native part.
  packages: 'external',
  logLevel: 'warning',
});
