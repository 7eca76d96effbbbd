import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  createWriteStream,
  existsSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { CairnError } from '../errors/error.ts';
import { parsePlatform } from '../llb/platform.ts';
import { createJobPool } from '../platform/job_pool.ts';
import type { Snapshot, SnapshotStore } from '../snapshots/contract.ts';
import type { ExporterServices } from './create.ts';
import { createExporter } from './create.ts';
import type { ExportRef } from './contract.ts';

const root = mkdtempSync(join(tmpdir(), 'cairn-files-'));
const jobs = createJobPool(new URL('./test_worker.ts', import.meta.url), { cpuThreads: 1 });
after(async () => {
  await jobs.close();
  // Directories that their own owner may not write to; root may.
  execFileSync('chmod', ['-R', 'u+w', root]);
  rmSync(root, { recursive: true, force: true });
});

/** Snapshot ids are directories here. */
const snapshots = {
  view: (snapshot: Snapshot) => Promise.resolve({ kind: 'dir', path: snapshot.id, readonly: true }),
} as unknown as SnapshotStore;

let count = 0;
const newPath = (): string => join(root, String(count++));

function makeTree(): string {
  const dir = newPath();
  mkdirSync(join(dir, 'sub/empty'), { recursive: true });
  writeFileSync(join(dir, 'file'), 'text');
  chmodSync(join(dir, 'file'), 0o4755);
  writeFileSync(join(dir, 'sub/readonly'), 'r', { mode: 0o400 });
  linkSync(join(dir, 'file'), join(dir, 'sub/hard'));
  symlinkSync('/file', join(dir, 'link'));
  execFileSync('mkfifo', [join(dir, 'fifo')]);
  for (const name of ['file', 'sub/readonly', 'sub/empty']) {
    utimesSync(join(dir, name), 1_500_000_000.25, 1_500_000_000.25);
  }
  lutimesSync(join(dir, 'link'), 1_500_000_001, 1_500_000_001);
  chmodSync(join(dir, 'sub'), 0o555);
  utimesSync(join(dir, 'sub'), 1_500_000_002, 1_500_000_002);
  return dir;
}

function ref(directory: string | undefined, platformId?: string): ExportRef {
  return {
    ...(platformId === undefined ? {} : { platformId }),
    platform: parsePlatform(platformId ?? 'linux/amd64'),
    snapshot: directory === undefined ? undefined : { kind: 'snapshot', id: directory, layers: [] },
    imageConfig: '',
  };
}

async function run(
  type: string,
  attrs: Record<string, string>,
  refs: ExportRef[],
  output: string,
): Promise<string[]> {
  const services = {
    snapshots,
    jobs,
    output: {
      file: () => Promise.resolve(createWriteStream(output)),
      directory: () => {
        mkdirSync(output, { recursive: true });
        return Promise.resolve(output);
      },
    },
  } as unknown as ExporterServices;
  const statuses: string[] = [];
  const exporter = await createExporter({ type, attrs }, 0, services);
  await exporter.export(
    { refs, buildId: 'test' },
    {
      signal: new AbortController().signal,
      progress: {
        log() {},
        warning() {},
        status: ({ id, current, completed }) => {
          if (completed !== undefined) statuses.push(`${id} ${current}`);
        },
      },
    },
  );
  return statuses;
}

const mode = (path: string): string => (lstatSync(path).mode & 0o7777).toString(8);

test('local exporter copies modes, times, links and special files', async () => {
  const out = newPath();
  const statuses = await run('local', {}, [ref(makeTree())], out);
  assert.deepEqual(statuses, ['copying files 5']);
  assert.equal(readFileSync(join(out, 'file'), 'utf8'), 'text');
  assert.deepEqual(
    [mode(join(out, 'file')), mode(join(out, 'sub')), mode(join(out, 'sub/readonly'))],
    ['4755', '555', '400'],
  );
  assert.equal(lstatSync(join(out, 'file')).mtimeMs, 1_500_000_000_250);
  assert.equal(lstatSync(join(out, 'sub')).mtimeMs, 1_500_000_002_000);
  assert.equal(lstatSync(join(out, 'sub/empty')).mtimeMs, 1_500_000_000_250);
  assert.equal(lstatSync(join(out, 'link')).mtimeMs, 1_500_000_001_000);
  assert.equal(readlinkSync(join(out, 'link')), '/file');
  assert.equal(lstatSync(join(out, 'sub/hard')).ino, lstatSync(join(out, 'file')).ino);
  assert.ok(lstatSync(join(out, 'fifo')).isFIFO());
  assert.equal(lstatSync(join(out, 'file')).uid, process.getuid?.());
  chmodSync(join(out, 'sub'), 0o755);
});

test(
  'a further name of a device is a device of its own in a directory, and a link with its numbers in a tar',
  { skip: process.getuid?.() !== 0 },
  async () => {
    const dir = newPath();
    mkdirSync(dir);
    execFileSync('mknod', [join(dir, 'null'), 'c', '1', '3']);
    linkSync(join(dir, 'null'), join(dir, 'second'));
    const out = newPath();
    await run('local', {}, [ref(dir)], out);
    for (const name of ['null', 'second']) {
      const { nlink, rdev } = lstatSync(join(out, name));
      assert.deepEqual({ name, nlink, rdev }, { name, nlink: 1, rdev: 0x103 });
    }
    const tar = newPath();
    await run('tar', {}, [ref(dir)], tar);
    const header = readFileSync(tar).subarray(512, 1024);
    const field = (at: number, length: number): string =>
      header.toString('latin1', at, at + length).replace(/\0.*/, '');
    assert.deepEqual(
      { type: field(156, 1), link: field(157, 100), major: field(329, 8), minor: field(337, 8) },
      { type: '1', link: 'null', major: '0000001', minor: '0000003' },
    );
  },
);

test('local exporter replaces what is in the way and leaves the rest, unless mode=delete', async () => {
  const out = newPath();
  const elsewhere = newPath();
  mkdirSync(elsewhere);
  mkdirSync(join(out, 'file/was-a-directory'), { recursive: true });
  // A link that leads out of the destination must not be followed.
  symlinkSync(elsewhere, join(out, 'sub'));
  writeFileSync(join(out, 'other'), 'mine');
  const tree = makeTree();
  await run('local', {}, [ref(tree)], out);
  assert.equal(readFileSync(join(out, 'file'), 'utf8'), 'text');
  assert.ok(lstatSync(join(out, 'sub')).isDirectory());
  assert.deepEqual(readdirSync(elsewhere), []);
  assert.equal(readFileSync(join(out, 'other'), 'utf8'), 'mine');
  await run('local', { mode: 'delete' }, [ref(tree)], out);
  assert.deepEqual(readdirSync(out).sort(), ['fifo', 'file', 'link', 'sub']);
  assert.deepEqual(readdirSync(join(out, 'sub')).sort(), ['empty', 'hard', 'readonly']);
  chmodSync(join(out, 'sub'), 0o755);
});

test('local exporter gives each platform a directory, or refuses files that collide', async () => {
  const trees = ['a', 'b'].map((name) => {
    const dir = newPath();
    mkdirSync(dir);
    writeFileSync(join(dir, name), name);
    symlinkSync('/a', join(dir, `link-${name}`));
    return dir;
  });
  const refs = [ref(trees[0], 'linux/amd64'), ref(trees[1], 'linux/arm/v7'), ref(undefined, 'linux/arm64')];
  const out = newPath();
  await run('local', { 'source-date-epoch': '1400000000' }, refs, out);
  assert.deepEqual(readdirSync(out).sort(), ['linux_amd64', 'linux_arm64', 'linux_arm_v7']);
  assert.equal(readlinkSync(join(out, 'linux_arm_v7/link-b')), '/linux_arm_v7/a');
  assert.equal(lstatSync(join(out, 'linux_amd64')).mtimeMs, 1_400_000_000_000);
  assert.equal(lstatSync(join(out, 'linux_amd64/a')).mtimeMs, 1_400_000_000_000);

  const flat = newPath();
  await run('local', { 'platform-split': 'false' }, refs, flat);
  assert.deepEqual(readdirSync(flat).sort(), ['a', 'b', 'link-a', 'link-b']);
  writeFileSync(join(trees[1] ?? '', 'a'), 'other');
  await assert.rejects(
    run('local', { 'platform-split': 'false' }, refs, newPath()),
    (error: unknown) =>
      error instanceof CairnError &&
      error.message === 'cannot overwrite a from linux/amd64 with linux/arm/v7 when split option is disabled',
  );
});

test('tar exporter writes what GNU tar lists, equal each time', async () => {
  const tree = makeTree();
  const files = [newPath(), newPath()];
  for (const file of files) await run('tar', {}, [ref(tree)], file);
  const [first = '', second = ''] = files;
  assert.ok(readFileSync(first).equals(readFileSync(second)));
  const listing = execFileSync('tar', ['--numeric-owner', '--full-time', '--utc', '-tvf', first], {
    encoding: 'utf8',
  });
  const lines = listing
    .trim()
    .split('\n')
    .map((line) => line.replace(/ +/g, ' '));
  const owner = `${process.getuid?.() ?? 0}/${process.getgid?.() ?? 0}`;
  assert.deepEqual(
    lines.filter((line) => !line.includes('fifo')),
    [
      `-rwsr-xr-x ${owner} 4 2017-07-14 02:40:00 file`,
      `lrwxrwxrwx ${owner} 0 2017-07-14 02:40:01 link -> /file`,
      `dr-xr-xr-x ${owner} 0 2017-07-14 02:40:02 sub/`,
      `drwxr-xr-x ${owner} 0 2017-07-14 02:40:00 sub/empty/`,
      `hrwsr-xr-x ${owner} 0 2017-07-14 02:40:00 sub/hard link to file`,
      `-r-------- ${owner} 1 2017-07-14 02:40:00 sub/readonly`,
    ],
  );
  assert.equal(lines.filter((line) => line.startsWith('p') && line.endsWith(' fifo')).length, 1);
});

test('tar exporter has a directory for each platform where there are several, whatever platform-split says', async () => {
  const names = async (split: string, ...platforms: (string | undefined)[]): Promise<string[]> => {
    const file = newPath();
    const refs = platforms.map((platform) => ref(makeTree(), platform));
    await run('tar', { 'platform-split': split }, refs, file);
    const listing = execFileSync('tar', ['-tf', file], { encoding: 'utf8' });
    return [
      ...new Set(
        listing
          .trim()
          .split('\n')
          .map((line) => line.split('/', 1)[0] ?? ''),
      ),
    ];
  };
  assert.ok((await names('true', undefined)).includes('file'));
  assert.deepEqual(await names('false', 'linux/amd64', 'linux/arm64'), ['linux_amd64', 'linux_arm64']);
});

test('tar exporter of nothing is an empty archive', async () => {
  const file = newPath();
  await run('tar', {}, [ref(undefined)], file);
  assert.ok(readFileSync(file).equals(Buffer.alloc(1024)));
  assert.ok(existsSync(file));
});

test('tar exporter fails when its output does', async () => {
  await assert.rejects(run('tar', {}, [ref(makeTree())], join(root, 'no/such/directory/x.tar')), /ENOENT/);
});
