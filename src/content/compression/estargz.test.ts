import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { openStore } from '../../store/open.ts';
import { digestOf } from '../digest.ts';
import { createContentStore } from '../store.ts';
import { collect } from '../verify.ts';
import { convertLayer } from './convert.ts';
import { FOOTER_BYTES, parseFooter, TOC_NAME, type TocEntry } from './estargz_toc.ts';
import { compressLayer, writeLayer } from './layer.ts';

const root = mkdtempSync(join(tmpdir(), 'cairn-estargz-'));
const store = openStore(join(root, 'store'), []);
const content = createContentStore(store);
after(() => {
  store.close();
  rmSync(root, { recursive: true, force: true });
});

const BIG = Buffer.alloc(9_000_000, 'content of a big file ');
const LONG = `${'long/'.repeat(24)}${'name'.repeat(30)}`;

function makeTar(format: string): Buffer {
  const dir = mkdtempSync(join(root, 'files-'));
  mkdirSync(join(dir, 'd/e'), { recursive: true });
  mkdirSync(join(dir, 'long/'.repeat(24)), { recursive: true });
  writeFileSync(join(dir, 'd/big'), BIG);
  writeFileSync(join(dir, 'd/small'), 'small');
  writeFileSync(join(dir, 'd/empty'), '');
  writeFileSync(join(dir, 'exact'), BIG.subarray(0, 8 * 1024 * 1024));
  writeFileSync(join(dir, LONG), 'found');
  linkSync(join(dir, 'd/small'), join(dir, 'hard'));
  symlinkSync('d/small', join(dir, 'soft'));
  utimesSync(join(dir, 'd/small'), 1_700_000_000.75, 1_700_000_000.75);
  execFileSync('mkfifo', [join(dir, 'fifo')]);
  const args = ['-c', `--format=${format}`, '--sort=name', '--owner=u:1000', '--group=g:0', '-C', dir, '.'];
  return execFileSync('tar', args, { maxBuffer: 2 ** 26 });
}

async function* chunked(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
}

function readToc(blob: Buffer): { entries: TocEntry[]; json: Buffer; offset: number } {
  const offset = parseFooter(blob.subarray(-FOOTER_BYTES));
  assert.ok(offset !== undefined);
  const tar = gunzipSync(blob.subarray(offset, -FOOTER_BYTES));
  assert.equal(tar.toString('latin1', 0, TOC_NAME.length + 1), `${TOC_NAME}\0`);
  const json = execFileSync('tar', ['-xO', TOC_NAME], { input: tar, maxBuffer: 2 ** 26 });
  return { entries: (JSON.parse(json.toString()) as { entries: TocEntry[] }).entries, json, offset };
}

for (const format of ['posix', 'gnu']) {
  test(`estargz of a ${format} tar has a table that leads to every chunk`, async () => {
    const tar = makeTar(format);
    const digests = new Set<string>();
    let blob: Buffer = Buffer.alloc(0);
    for (const size of [100_003, 512]) {
      const layer = compressLayer(chunked(tar, size), { type: 'estargz', level: 1 });
      blob = await collect(layer.bytes, Infinity);
      digests.add(digestOf(blob));
      const plain = gunzipSync(blob);
      const { annotations, diffID, uncompressedSize } = layer.summary();
      assert.equal(diffID, digestOf(plain));
      assert.equal(uncompressedSize, plain.length);
      assert.ok(plain.subarray(0, tar.length).equals(tar));
      assert.equal(annotations['containerd.io/snapshot/stargz/toc.digest'], digestOf(readToc(blob).json));
    }
    assert.equal(digests.size, 1);

    const { entries, offset } = readToc(blob);
    const byName = (name: string) => entries.filter((entry) => entry.name === `./${name}`);
    for (const [name, bytes, sizes] of [
      ['d/big', BIG, [4194304, 4194304, undefined]],
      ['exact', BIG.subarray(0, 8 * 1024 * 1024), [4194304, 4194304]],
      ['d/small', Buffer.from('small'), [undefined]],
      [LONG, Buffer.from('found'), [undefined]],
    ] as const) {
      const chunks = byName(name);
      assert.deepEqual(
        chunks.map((chunk) => chunk.chunkSize),
        sizes,
        name,
      );
      assert.equal(chunks[0]?.digest, digestOf(bytes));
      for (const [i, chunk] of chunks.entries()) {
        const start = chunk.chunkOffset ?? 0;
        const length = chunk.chunkSize ?? bytes.length - start;
        // Up to the table: members are read one after another from there.
        const data = gunzipSync(blob.subarray(chunk.offset, offset)).subarray(0, length);
        assert.ok(data.equals(bytes.subarray(start, start + length)), `${name} chunk ${i}`);
        assert.equal(chunk.chunkDigest, digestOf(data));
      }
    }
    assert.deepEqual(byName('d/empty')[0]?.digest, digestOf(''));
    assert.equal(
      byName('d/small')[0]?.modtime,
      format === 'posix' ? '2023-11-14T22:13:21Z' : '2023-11-14T22:13:20Z',
    );
    assert.deepEqual(
      ['d/', 'soft', 'hard', 'fifo'].map((name) => byName(name)[0]?.type),
      ['dir', 'symlink', 'hardlink', 'fifo'],
    );
    assert.equal(byName('soft')[0]?.linkName, 'd/small');
    assert.equal(entries[0]?.userName, 'u');
    assert.equal(entries[1]?.userName, undefined);
  });
}

test('convertLayer gives the tar back that estargz was made from', async () => {
  const tar = makeTar('posix');
  const estargz = await writeLayer(content, chunked(tar, 65_536), { type: 'estargz' });
  const back = await convertLayer(content, estargz.descriptor, content, { type: 'zstd', force: true });
  assert.equal(back.diffID, digestOf(tar));
  assert.deepEqual(Object.keys(back.descriptor.annotations ?? {}), ['containerd.io/uncompressed']);
  const again = await convertLayer(content, back.descriptor, content, { type: 'estargz', force: true });
  assert.equal(again.descriptor.digest, estargz.descriptor.digest);
});

test('estargz refuses what is not a tar, is cut off, or has a table already', async () => {
  const tar = makeTar('posix');
  const blob = await collect(compressLayer(chunked(tar, 65_536), { type: 'estargz' }).bytes, Infinity);
  const { json } = readToc(blob);
  const dir = mkdtempSync(join(root, 'toc-'));
  writeFileSync(join(dir, TOC_NAME), json);
  const withToc = execFileSync('tar', ['-c', '-C', dir, `./${TOC_NAME}`]);
  for (const [bytes, message] of [
    [Buffer.alloc(2048, 'x'), /wrong checksum|invalid number/],
    [tar.subarray(0, 100_000), /cut off/],
    [withToc, /has a file stargz.index.json already/],
  ] as const) {
    await assert.rejects(
      collect(compressLayer(chunked(bytes, 4096), { type: 'estargz' }).bytes, Infinity),
      message,
    );
  }
});
