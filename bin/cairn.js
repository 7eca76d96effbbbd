#!/usr/bin/env node
// The launcher: finds a Node that is new enough and starts the program. This file must parse on old versions, and
// is CommonJS for speed: where `import` takes a built-in module it also evaluates that module's lazy exports.
const { existsSync } = require('node:fs');
const { join } = require('node:path');

const NEEDED = [24, 15];

function isNewEnough(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1]);
}

/** The Node binary that npm installed beside us, for machines whose own is too old. */
function bundledNode() {
  try {
    return require.resolve(`node-linux-${process.arch}/bin/node`);
  } catch {
    return undefined;
  }
}

function runWithBundledNode() {
  const node = bundledNode();
  if (node === undefined) {
    process.stderr.write(
      `ERROR: cairn needs Node ${NEEDED.join('.')} or newer; this is ${process.versions.node}, and the package node-linux-${process.arch} is not installed\n`,
    );
    process.exitCode = 1;
    return;
  }
  const { spawn } = require('node:child_process');
  const child = spawn(node, process.argv.slice(1), { stdio: 'inherit' });
  // A terminal sends SIGINT to the child as well: a second one would mean "at once".
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => process.stderr.write(`ERROR: cannot start ${node}: ${error.message}\n`));
  child.on('close', (status, signal) => {
    process.exitCode =
      signal === null ? Math.abs(status ?? 1) : 128 + (require('node:os').constants.signals[signal] ?? 0);
  });
}

const args = process.argv.slice(2);
const bundle = join(__dirname, '../dist/cairn.cjs');

const building = args.includes('build');

/** Memory of V8's young generations: 1 grows never, 2 is V8's own. A code cache is taken under the same flags only. */
function setYoungGrowth(factor) {
  require('node:v8').setFlagsFromString(`--semi-space-growth-factor=${factor}`);
}

/** Only a build runs what the next build will need. */
function afterBuild(learn) {
  process.once('exit', (code) => {
    if (code !== 0 || !building) return;
    setYoungGrowth(2);
    learn();
    setYoungGrowth(1);
  });
}

function run() {
  const { main } = require('./code_cache.js').load(bundle, 'main', afterBuild);
  // Left alone they grow to 48 MiB in each thread, a third of what a large build takes, and out of the processor's
  // caches: small ones are faster, too. Loads streams, which a build needs anyway.
  if (building) setYoungGrowth(1);
  main(args);
}

if (!isNewEnough(process.versions.node)) runWithBundledNode();
else if (existsSync(bundle)) run();
else void import('../src/cli/main.ts').then(({ main }) => main(args));
