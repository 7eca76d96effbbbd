/**
 * Packing and unpacking layers beside GNU tar, which does the same system calls and nothing else.
 * `node bench/layers.ts [DIRECTORY] [FILES] [MiB]`; needs root, or a user namespace. Ratios within one run are
 * comparable. In memory (/dev/shm) the disk has no part in it.
 */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { streamJob } from '../src/platform/byte_stream.ts';
import { createJobPool } from '../src/platform/job_pool.ts';
import type { DiffSpec, UnpackArgs } from '../src/snapshots/jobs/tar.ts';
import { workerEntryUrl } from '../src/engine/worker_entry.ts';

const ROUNDS = 3;
const [directory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), files = '50000', mib = '1024'] =
  process.argv.slice(2);
const base = mkdtempSync(join(directory, 'cairn-bench-'));
const jobs = createJobPool(workerEntryUrl, { cpuThreads: 1 });

function small(root: string): void {
  for (let i = 0; i < Number(files); i++) {
    if (i % 200 === 0) mkdirSync(join(root, `d${i / 200}`), { recursive: true });
    writeFileSync(join(root, `d${Math.floor(i / 200)}`, `file${i}.js`), 'x'.repeat(200 + (i % 3000)));
  }
}

function big(root: string): void {
  mkdirSync(root);
  const chunk = Buffer.alloc(1 << 20, 'not a hole ');
  const fd = openSync(join(root, 'file'), 'w');
  for (let i = 0; i < Number(mib); i++) writeSync(fd, chunk);
  closeSync(fd);
}

async function best(work: () => Promise<void> | void, reset: () => void): Promise<number> {
  let least = Infinity;
  for (let i = 0; i < ROUNDS; i++) {
    reset();
    const start = performance.now();
    await work();
    least = Math.min(least, performance.now() - start);
  }
  return least;
}

async function pack(upper: string, to: string): Promise<void> {
  const spec: DiffSpec = { kind: 'overlay', upper, lower: undefined, mountParent: base };
  const fd = openSync(to, 'w');
  for await (const chunk of streamJob(jobs, 'snapshots.diffTar', { spec }).bytes) writeSync(fd, chunk);
  closeSync(fd);
}

async function unpack(from: string, root: string): Promise<void> {
  const format = { kind: 'overlay', opaque: 'trusted.overlay.opaque' } as const;
  const args: UnpackArgs = { blob: from, diffID: undefined, target: { root, format, lowers: [] } };
  await jobs.run('snapshots.unpack', args);
}

try {
  for (const [name, make] of Object.entries({
    [`${files} small files`]: small,
    [`one file of ${mib} MiB`]: big,
  })) {
    const tree = join(base, 'tree');
    const out = join(base, 'out');
    const tar = join(base, 'layer.tar');
    make(tree);
    const clear = (): void => {
      rmSync(out, { recursive: true, force: true });
      mkdirSync(out);
    };
    const packed = await best(
      () => pack(tree, tar),
      () => rmSync(tar, { force: true }),
    );
    const gnuPacked = await best(
      () => void execFileSync('tar', ['-C', tree, '-cf', `${tar}.gnu`, '.']),
      () => rmSync(`${tar}.gnu`, { force: true }),
    );
    const unpacked = await best(() => unpack(tar, out), clear);
    const gnuUnpacked = await best(() => void execFileSync('tar', ['-C', out, '-xf', tar]), clear);
    const size = (statSync(tar).size / (1 << 20)).toFixed(0);
    const row = (what: string, ours: number, theirs: number): string =>
      `  ${what} ${ours.toFixed(0)} ms, GNU tar ${theirs.toFixed(0)} ms: ${(ours / theirs).toFixed(2)} times as long`;
    console.log(`${name}, ${size} MiB of tar`);
    console.log(row('pack  ', packed, gnuPacked));
    console.log(row('unpack', unpacked, gnuUnpacked));
    rmSync(tree, { recursive: true });
    rmSync(tar);
    rmSync(`${tar}.gnu`);
  }
} finally {
  await jobs.close();
  rmSync(base, { recursive: true, force: true });
}
