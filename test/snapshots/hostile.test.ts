/** Layer tars that are damaged, hostile or merely strange, unpacked for real. */
import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { lgetxattr } from '../../src/platform/syscalls_files.ts';
import { LayerApplier, type ApplyTarget } from '../../src/snapshots/apply/apply.ts';
import type { TarEntry } from '../../src/snapshots/tar/entry.ts';
import { TarReader } from '../../src/snapshots/tar/reader.ts';
import { TarWriter } from '../../src/snapshots/tar/writer.ts';

const base = mkdtempSync(join(tmpdir(), 'cairn-hostile-'));
after(() => rmSync(base, { recursive: true, force: true }));
const outside = join(base, 'outside');
mkdirSync(outside);
writeFileSync(join(outside, 'secret'), 'secret');
let count = 0;

const OVERLAY: ApplyTarget['format'] = { kind: 'overlay', opaque: 'trusted.overlay.opaque' };

/** Unpacks entries given by the fields that matter. @returns the root */
function unpack(entries: Partial<TarEntry>[], target: Partial<ApplyTarget> = {}): string {
  const root = join(base, `root${count++}`);
  mkdirSync(root);
  const applier = new LayerApplier({ root, format: OVERLAY, lowers: [], ...target });
  const reader = new TarReader(applier);
  const writer = new TarWriter((chunk) => reader.write(chunk));
  for (const fields of entries) {
    const entry: TarEntry = {
      type: 'file',
      name: '',
      linkname: '',
      mode: 0o644,
      uid: 0,
      gid: 0,
      size: 0,
      mtime: 1_000_000_000,
      mtimeNs: 0,
      devMajor: 0,
      devMinor: 0,
      xattrs: undefined,
      ...fields,
    };
    writer.header(entry);
    writer.data(Buffer.alloc(entry.size, 'x'));
    writer.pad(entry.size);
  }
  writer.end();
  reader.end();
  applier.finish();
  return root;
}

/** A root with these files, to lie below. */
function lower(entries: Partial<TarEntry>[]): string {
  return unpack(entries);
}

function refused(entries: Partial<TarEntry>[], named: string): void {
  assert.throws(
    () => unpack(entries),
    (error: Error & { code?: string }) => {
      assert.equal(error.code, 'CORRUPT');
      assert.match(error.message, new RegExp(named));
      return true;
    },
  );
  assert.deepEqual(readdirSync(outside), ['secret']);
  assert.equal(readFileSync(join(outside, 'secret'), 'utf8'), 'secret');
}

test('names that climb out of the root are refused', () => {
  refused([{ name: '../outside/x', size: 1 }], 'outside/x');
  refused([{ name: 'a/../../outside/x' }], 'outside/x');
  refused([{ name: '/../x' }], 'x');
});

test('absolute names are below the root', () => {
  const root = unpack([{ name: '/etc/passwd', size: 3 }]);
  assert.equal(readFileSync(join(root, 'etc/passwd'), 'utf8'), 'xxx');
});

test('links that lead out are refused, whatever is written through them', () => {
  refused(
    [
      { type: 'symlink', name: 'd', linkname: '../outside' },
      { name: 'd/x', size: 1 },
    ],
    'd/x',
  );
  refused([{ type: 'link', name: 'l', linkname: '../outside/secret' }], 'secret');
  refused([{ type: 'symlink', name: 'loop', linkname: 'loop' }, { name: 'loop/x' }], 'loop/x');
  refused([{ type: 'link', name: 'l', linkname: 'nowhere' }], 'nowhere');
});

test('an absolute symlink is followed inside the root only', () => {
  const root = unpack([
    { type: 'symlink', name: 'd', linkname: outside },
    { name: 'd/x', size: 1 },
  ]);
  assert.deepEqual(readdirSync(outside), ['secret']);
  assert.equal(readFileSync(join(root, outside, 'x'), 'utf8'), 'x');
});

test('a file never goes through a symlink of its own name', () => {
  const root = unpack([
    { type: 'symlink', name: 'f', linkname: join(outside, 'secret') },
    { name: 'f', size: 2 },
  ]);
  assert.equal(readFileSync(join(outside, 'secret'), 'utf8'), 'secret');
  assert.equal(lstatSync(join(root, 'f')).isFile(), true);
});

test('a directory that becomes a symlink is not written through afterwards', () => {
  const root = unpack([
    { type: 'dir', name: 'd', mode: 0o755 },
    { name: 'd/a', size: 1 },
    { type: 'symlink', name: 'd', linkname: '/other' },
    { name: 'd/b', size: 1 },
  ]);
  assert.equal(lstatSync(join(root, 'd')).isSymbolicLink(), true);
  assert.deepEqual(readdirSync(join(root, 'other')), ['b']);
});

test('impossible devices and whiteouts are refused', () => {
  refused([{ type: 'char', name: 'dev', devMajor: 5000, devMinor: 0 }], '5000:0');
  refused([{ name: 'a/.wh...' }], 'not a valid whiteout');
  refused([{ name: '.wh.' }], 'not a valid whiteout');
});

test('attributes of overlayfs in a tar have no effect', () => {
  const root = unpack([
    { type: 'dir', name: 'd', mode: 0o755, xattrs: new Map([['trusted.overlay.opaque', Buffer.from('y')]]) },
  ]);
  assert.equal(lgetxattr(join(root, 'd'), 'trusted.overlay.opaque'), undefined);
});

test('whiteouts become devices and attributes, before and after what they stand beside', () => {
  const root = unpack([
    { name: 'd/.wh.gone' },
    { name: 'o/.wh..wh..opq' },
    { name: 'o/kept', size: 1 },
    { name: '.wh.again' },
    { type: 'dir', name: 'again', mode: 0o700 },
  ]);
  assert.equal(lstatSync(join(root, 'd/gone')).isCharacterDevice(), true);
  assert.equal(lgetxattr(join(root, 'o'), 'trusted.overlay.opaque')?.toString(), 'y');
  assert.equal(readFileSync(join(root, 'o/kept'), 'utf8'), 'x');
  // Removed below, and made anew: what was in it must not show through.
  assert.equal(lgetxattr(join(root, 'again'), 'trusted.overlay.opaque')?.toString(), 'y');
});

test('implied directories look as they do below, and links to files below copy them', () => {
  const below = lower([
    { type: 'dir', name: 'd', mode: 0o1750, uid: 7, gid: 8 },
    { name: 'd/target', size: 4, mode: 0o4755, mtime: 5 },
  ]);
  const root = unpack(
    [{ name: 'd/new' }, { type: 'link', name: 'l', linkname: 'd/target', mode: 0o4755, mtime: 5 }],
    {
      lowers: [below],
    },
  );
  const dir = lstatSync(join(root, 'd'));
  assert.deepEqual([dir.mode & 0o7777, dir.uid, dir.gid, dir.mtimeMs / 1000], [0o1750, 7, 8, 1_000_000_000]);
  const target = lstatSync(join(root, 'd/target'));
  assert.deepEqual([target.mode & 0o7777, target.nlink, target.size, target.mtimeMs], [0o4755, 2, 4, 5000]);
});

test('times of directories are set after everything in them', () => {
  const root = unpack([
    { type: 'dir', name: 'd', mode: 0o755, mtime: 100 },
    { name: 'd/a', size: 1 },
    { type: 'dir', name: 'past', mode: 0o755, mtime: -100 },
  ]);
  assert.equal(lstatSync(join(root, 'd')).mtimeMs, 100_000);
  assert.equal(lstatSync(join(root, 'past')).mtimeMs, 0);
});

test('runs of zeros become holes', () => {
  const root = join(base, 'holes');
  mkdirSync(root);
  const applier = new LayerApplier({ root, format: OVERLAY, lowers: [] });
  const reader = new TarReader(applier);
  const writer = new TarWriter((chunk) => reader.write(chunk));
  const content = Buffer.alloc(3_000_000);
  content.write('begin', 0);
  content.write('middle', 1_500_000);
  const entry = {
    type: 'file' as const,
    name: 'f',
    linkname: '',
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: content.length,
  };
  writer.header({ ...entry, mtime: 0, mtimeNs: 0, devMajor: 0, devMinor: 0, xattrs: undefined });
  writer.data(content);
  writer.pad(content.length);
  writer.end();
  reader.end();
  assert(readFileSync(join(root, 'f')).equals(content));
  assert(lstatSync(join(root, 'f')).blocks * 512 < 400_000);
});

test('in a tree, whiteouts remove what lies below but nothing of the same layer', () => {
  const root = join(base, 'tree');
  mkdirSync(join(root, 'o'), { recursive: true });
  for (const name of ['gone', 'o/old', 'kept']) writeFileSync(join(root, name), name);
  const applier = new LayerApplier({ root, format: { kind: 'tree' }, lowers: [] });
  const entry = { type: 'file' as const, linkname: '', mode: 0o644, uid: 0, gid: 0, size: 0 };
  for (const name of ['.wh.gone', 'o/new', 'o/.wh..wh..opq', '.wh.missing']) {
    applier.entry({ ...entry, name, mtime: 0, mtimeNs: 0, devMajor: 0, devMinor: 0, xattrs: undefined });
    applier.close();
  }
  applier.finish();
  assert.deepEqual(readdirSync(root).sort(), ['kept', 'o']);
  assert.deepEqual(readdirSync(join(root, 'o')), ['new']);
});
