import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { constants, gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { CairnError } from '../../errors/error.ts';
import { collect } from '../verify.ts';
import { decompress } from './decompress.ts';
import { compressLayer } from './layer.ts';

/** Deterministic noise with a state of its own, so that a failure can be repeated. */
function noise(length: number, seed: number): Buffer {
  const out = Buffer.alloc(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    out[i] = state >>> 24;
  }
  return out;
}

const text = Buffer.from(Array.from({ length: 60_000 }, (_, i) => `line ${i % 977} of ${i}\n`).join(''));
const MIXED = Buffer.concat([
  text,
  randomBytes(700_001),
  text.subarray(0, 300_000),
  noise(1_500_000, 7),
  Buffer.alloc(5_000_000),
  text,
]);

async function* chunked(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
}
const all = (input: AsyncIterable<Uint8Array>): Promise<Buffer> => collect(input, Infinity);
const isCorrupt = (error: unknown): boolean => error instanceof CairnError && error.code === 'CORRUPT';

for (const [type, levels] of [
  ['gzip', [undefined, 0, 1, 9]],
  ['zstd', [undefined, 0, 1, 12]],
  ['uncompressed', [undefined]],
] as const) {
  for (const level of levels) {
    test(`compressLayer ${type} ${level ?? 'default'} is undone by decompress and does not depend on chunks`, async () => {
      const digests = new Set<string>();
      for (const size of [1_000_003, 64 * 1024]) {
        const layer = compressLayer(chunked(MIXED, size), {
          type,
          ...(level === undefined ? {} : { level }),
        });
        const compressed = await all(layer.bytes);
        digests.add(createHash('sha256').update(compressed).digest('hex'));
        assert.ok(MIXED.equals(await all(decompress(chunked(compressed, 100_000)))));
        const summary = layer.summary();
        assert.equal(summary.diffID, `sha256:${createHash('sha256').update(MIXED).digest('hex')}`);
        assert.equal(summary.uncompressedSize, MIXED.length);
      }
      assert.equal(digests.size, 1);
    });
  }
}

test('gzip stores what does not compress, and deflates repetitions between it', async () => {
  const piece = randomBytes(16 * 1024);
  const repeated = Buffer.concat(Array.from({ length: 16 }, () => piece));
  const bytes = Buffer.concat([randomBytes(384 * 1024), repeated, randomBytes(384 * 1024)]);
  const { length } = await all(compressLayer(chunked(bytes, bytes.length), { type: 'gzip' }).bytes);
  const stored = 768 * 1024;
  assert.ok(length > stored && length < stored + 32 * 1024, `${length}`);
});

for (const size of [0, 1, 65_535, 128 * 1024, 1024 * 1024 - 1, 1024 * 1024, 1024 * 1024 + 1]) {
  test(`gzip and zstd of ${size} bytes are read by other decoders`, async () => {
    for (const bytes of [randomBytes(size), Buffer.alloc(size, 'ab')]) {
      const zipped = await all(compressLayer(chunked(bytes, 50_000), { type: 'gzip' }).bytes);
      assert.ok(gunzipSync(zipped).equals(bytes));
      assert.ok(execFileSync('gzip', ['-dc'], { input: zipped, maxBuffer: 2 ** 24 }).equals(bytes));
      const frames = await all(compressLayer(chunked(bytes, 50_000), { type: 'zstd' }).bytes);
      assert.ok((await all(decompress(chunked(frames, 999)))).equals(bytes));
    }
  });
}

test('gzip stores what is compressed already, and only that', async () => {
  const layer = await all(
    compressLayer(chunked(randomBytes(4_000_000), 2 ** 16), { type: 'gzip', level: 9 }).bytes,
  );
  assert.ok(layer.length < 4_000_000 * 1.001);
  // Flat byte statistics, yet repeated: worth compressing.
  const repeated = Buffer.concat(Array<Buffer>(64).fill(randomBytes(20_000)));
  const small = await all(compressLayer(chunked(repeated, 2 ** 16), { type: 'gzip' }).bytes);
  assert.ok(small.length < repeated.length / 10);
});

test('decompress reads gzip of several members wherever the chunks are cut', async () => {
  const members = Buffer.concat([gzipSync('one '), gzipSync(''), gzipSync('two '), gzipSync('three')]);
  for (let size = 1; size <= members.length; size++) {
    assert.equal(
      (await all(decompress(chunked(members, size)))).toString(),
      'one two three',
      `chunks of ${size}`,
    );
  }
});

test('decompress reads every zstd frame, skippable ones left out, wherever the chunks are cut', async () => {
  const skippable = Buffer.from('5a2a4d18050000006b6970706564'.slice(0, 26), 'hex');
  const long = Buffer.alloc(300_000, 'long ');
  const unknownSize = execStream(long);
  const frames = Buffer.concat([
    skippable,
    zstdCompressSync('one '),
    zstdCompressSync(''),
    skippable,
    unknownSize,
    zstdCompressSync('two', { params: { [constants.ZSTD_c_checksumFlag]: 1 } }),
    skippable,
  ]);
  const want = Buffer.concat([Buffer.from('one '), long, Buffer.from('two')]);
  for (let size = 1; size <= frames.length + 1; size += size < 40 ? 1 : 13) {
    assert.ok((await all(decompress(chunked(frames, size)))).equals(want), `chunks of ${size}`);
  }
});

/** A frame without the content size in its header, as stream compressors write. */
function execStream(bytes: Buffer): Buffer {
  return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_contentSizeFlag]: 0 } });
}

test('decompress streams frames that are too large for one job', async () => {
  const big = Buffer.concat([Buffer.alloc(20_000_000, 'abc'), noise(9_000_000, 3)]);
  const frames = Buffer.concat([
    zstdCompressSync(big),
    zstdCompressSync('tail'),
    zstdCompressSync(big, { params: { [constants.ZSTD_c_contentSizeFlag]: 0 } }),
  ]);
  const want = Buffer.concat([big, Buffer.from('tail'), big]);
  assert.ok((await all(decompress(chunked(frames, 777_777)))).equals(want));
});

test('decompress fails with CORRUPT at every truncation', async () => {
  const gzipped = gzipSync('some content that is long enough');
  const frames = Buffer.concat([zstdCompressSync('some content'), zstdCompressSync('more of it')]);
  const boundary = zstdCompressSync('some content').length;
  for (let length = 4; length < gzipped.length; length++) {
    await assert.rejects(
      all(decompress(chunked(gzipped.subarray(0, length), 7))),
      isCorrupt,
      `gzip ${length}`,
    );
  }
  for (let length = 4; length < frames.length; length++) {
    if (length === boundary) continue;
    await assert.rejects(
      all(decompress(chunked(frames.subarray(0, length), 7))),
      isCorrupt,
      `zstd ${length}`,
    );
  }
});

test('decompress fails with CORRUPT when bytes are changed', async () => {
  const gzipped = gzipSync('some content that is long enough');
  gzipped[gzipped.length - 6] = (gzipped[gzipped.length - 6] ?? 0) ^ 1;
  await assert.rejects(all(decompress(chunked(gzipped, 100))), isCorrupt);
  const frame = zstdCompressSync('some content that is long enough', {
    params: { [constants.ZSTD_c_checksumFlag]: 1 },
  });
  frame[20] = (frame[20] ?? 0) ^ 1;
  await assert.rejects(all(decompress(chunked(frame, 100))), isCorrupt);
  await assert.rejects(
    all(decompress(chunked(Buffer.concat([zstdCompressSync('x'), Buffer.from('tail')]), 100))),
    isCorrupt,
  );
});

test('decompress stops at its limit', async () => {
  const bomb = gzipSync(Buffer.alloc(10_000_000));
  await assert.rejects(all(decompress(chunked(bomb, 1000), { limit: 1_000_000 })), isCorrupt);
});

test('decompress passes on the error of its input', async () => {
  async function* failing(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
    yield bytes;
    throw new Error('connection reset');
  }
  for (const start of [
    gzipSync(MIXED).subarray(0, 100_000),
    zstdCompressSync(MIXED).subarray(0, 100_000),
    text,
  ]) {
    await assert.rejects(all(decompress(failing(start))), /connection reset/);
  }
});

test('compressLayer passes on the error of its input', async () => {
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield MIXED;
    throw new Error('file changed');
  }
  for (const type of ['gzip', 'zstd'] as const) {
    await assert.rejects(all(compressLayer(failing(), { type }).bytes), /file changed/);
  }
});

test('a consumer may stop early', async () => {
  const { bytes } = compressLayer(chunked(MIXED, 65_536), { type: 'gzip' });
  for await (const chunk of bytes) {
    assert.ok(chunk.length > 0);
    break;
  }
  for (const compressed of [gzipSync(MIXED), zstdCompressSync(MIXED)]) {
    let ended = false;
    async function* input(): AsyncGenerator<Uint8Array> {
      try {
        yield* chunked(compressed, 10_000);
      } finally {
        ended = true;
      }
    }
    for await (const chunk of decompress(input())) {
      assert.ok(chunk.length > 0);
      break;
    }
    assert.ok(ended);
  }
});

test('compressLayer refuses levels that the compression does not have', () => {
  for (const [type, level] of [
    ['gzip', 10],
    ['gzip', -1],
    ['zstd', 23],
    ['estargz', 1.5],
  ] as const) {
    assert.throws(
      () => compressLayer(chunked(text, 1), { type, level }),
      (error: unknown) => error instanceof CairnError && error.code === 'USAGE',
    );
  }
});
