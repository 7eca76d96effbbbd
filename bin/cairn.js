#!/usr/bin/env node
// The launcher: finds a Node that is new enough and starts the program. This file must parse on old versions.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire, enableCompileCache } from 'node:module';
import { arch, constants } from 'node:os';

const NEEDED = [24, 15];

function isNewEnough(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1]);
}

/** The Node binary that npm installed beside us, for machines whose own is too old. */
function bundledNode() {
  try {
    return createRequire(import.meta.url).resolve(`node-linux-${arch()}/bin/node`);
  } catch {
    return undefined;
  }
}

if (isNewEnough(process.versions.node)) {
  enableCompileCache?.();
  const bundle = new URL('../dist/cairn.js', import.meta.url);
  await import(existsSync(bundle) ? bundle.href : new URL('../src/cli/main.ts', import.meta.url).href);
} else {
  const node = bundledNode();
  if (node === undefined) {
    process.stderr.write(
      `ERROR: cairn needs Node ${NEEDED.join('.')} or newer; this is ${process.versions.node}, and the package node-linux-${arch()} is not installed\n`,
    );
    process.exit(1);
  }
  const { status, signal, error } = spawnSync(node, process.argv.slice(1), { stdio: 'inherit' });
  if (error !== undefined) process.stderr.write(`ERROR: cannot start ${node}: ${error.message}\n`);
  process.exit(signal === null ? (status ?? 1) : 128 + (constants.signals[signal] ?? 0));
}
