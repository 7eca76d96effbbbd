import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { CairnError, type ErrorCode } from '../errors/error.ts';
import { openStore } from '../store/open.ts';
import type { Digest } from './contract.ts';
import { digestOf } from './digest.ts';
import { createContentStore } from './store.ts';
import { collect } from './verify.ts';

const root = mkdtempSync(join(tmpdir(), 'cairn-content-'));
const store = openStore(root, []);
const content = createContentStore(store);
after(() => {
  store.close();
  rmSync(root, { recursive: true, force: true });
});

const code = (wanted: ErrorCode) => (error: unknown) => error instanceof CairnError && error.code === wanted;
const bytes = (text: string): Buffer => Buffer.from(text);
async function* stream(...chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}
const temps = (): string[] => {
  const folder = join(root, 'tmp', store.owner);
  return existsSync(folder) ? readdirSync(folder) : [];
};

test('ingest gives what read returns, for bytes and for streams', async () => {
  const big = Buffer.alloc(3_000_001, 'abc');
  const chunks = Array.from({ length: 301 }, (_, i) => big.subarray(i * 10_000, (i + 1) * 10_000));
  for (const source of [big, stream(...chunks)]) {
    const info = await content.ingest(source);
    assert.deepEqual(info, { digest: digestOf(big), size: big.length });
    const blob = { mediaType: '', ...info };
    assert.ok(big.equals(await collect(content.read(blob), Infinity)));
    const range = { start: 999_999, end: 2_000_003 };
    assert.ok(
      big.subarray(range.start, range.end).equals(await collect(content.read(blob, { range }), Infinity)),
    );
    assert.equal(
      createHash('sha256')
        .update(readFileSync(content.path(info.digest)))
        .digest('hex'),
      info.digest.slice(7),
    );
    content.delete(info.digest);
    assert.equal(content.info(info.digest), undefined);
  }
});

test('ingest keeps nothing when digest or size differ from what was expected', async () => {
  const other = digestOf('other');
  await assert.rejects(content.ingest(bytes('x'), { digest: other }), code('CORRUPT'));
  await assert.rejects(content.ingest(stream(bytes('x')), { digest: other }), code('CORRUPT'));
  await assert.rejects(content.ingest(stream(bytes('x')), { size: 2 }), code('CORRUPT'));
  await assert.rejects(content.ingest(stream(bytes('xx'), bytes('yy')), { size: 2 }), code('CORRUPT'));
  assert.deepEqual([...content.list()], []);
  assert.deepEqual(temps(), []);
});

test('ingest keeps nothing when its source fails or it is aborted', async () => {
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield bytes('x');
    throw new Error('connection reset');
  }
  await assert.rejects(content.ingest(failing()), /connection reset/);
  await assert.rejects(
    content.ingest(stream(bytes('x')), {}, { signal: AbortSignal.abort(new Error('stop')) }),
    /stop/,
  );
  assert.deepEqual([...content.list()], []);
  assert.deepEqual(temps(), []);
});

test('ingest of a blob that is there does not read the stream', async () => {
  const info = await content.ingest(bytes('once'));
  let read = false;
  async function* spy(): AsyncGenerator<Uint8Array> {
    read = true;
    yield bytes('once');
  }
  assert.deepEqual(await content.ingest(spy(), { digest: info.digest }), info);
  assert.equal(read, false);
});

test('two writers of one blob are harmless', async () => {
  const [a, b] = await Promise.all([
    content.ingest(stream(bytes('same'))),
    content.ingest(stream(bytes('same'))),
  ]);
  assert.deepEqual(a, b);
  assert.equal(readFileSync(content.path(a.digest), 'utf8'), 'same');
});

test('ingest checks other registered algorithms than sha256', async () => {
  const digest: Digest = `sha512:${createHash('sha512').update('x').digest('hex')}`;
  for (const source of [bytes('x'), stream(bytes('x'))]) {
    assert.deepEqual(await content.ingest(source, { digest }), { digest, size: 1 });
    content.delete(digest);
  }
  await assert.rejects(content.ingest(bytes('y'), { digest }), code('CORRUPT'));
});

test('ingest leases blobs until releaseLeases', async () => {
  const { digest } = await content.ingest(bytes('leased'));
  assert.ok(store.leased('blob').has(digest));
  content.releaseLeases();
  assert.ok(!store.leased('blob').has(digest));
  await content.ingest(bytes('leased'));
  assert.ok(store.leased('blob').has(digest));
});

test('readAll checks the limit and the digest', async () => {
  const { digest } = await content.ingest(bytes('small'));
  assert.equal(Buffer.from(await content.readAll(digest, 5)).toString(), 'small');
  await assert.rejects(content.readAll(digest, 4), code('CORRUPT'));
  writeFileSync(content.path(digest), 'smell');
  await assert.rejects(content.readAll(digest, 5), code('CORRUPT'));
  await assert.rejects(content.readAll(digestOf('absent'), 5), code('NOT_FOUND'));
});

test('a small blob that the disk damaged is not there, and is written anew', async () => {
  for (const damaged of ['smell', 'sm', 'small and more']) {
    const { digest } = await content.ingest(bytes('small'));
    writeFileSync(content.path(digest), damaged);
    assert.equal((await content.ingest(Buffer.from('small'))).size, 5);
    assert.equal(Buffer.from(await content.readAll(digest, 5)).toString(), 'small');
    writeFileSync(content.path(digest), damaged);
    if (damaged.length <= 5) assert.equal(await content.readSound(digest, 5), undefined);
    content.delete(digest);
    assert.equal(await content.readSound(digest, 5), undefined);
  }
});

test('a blob that was cut short is written anew', async () => {
  const { digest } = await content.ingest(bytes('whole'));
  writeFileSync(content.path(digest), 'wh');
  await content.ingest(bytes('whole'), { digest, size: 5 });
  assert.equal(Buffer.from(await content.readAll(digest, 5)).toString(), 'whole');
});

test('path refuses a digest that would leave the directory', () => {
  for (const digest of [
    'sha256:../../etc/passwd',
    'sha256:',
    '../x:00',
    'sha1:da39',
    `sha256:${'A'.repeat(64)}`,
  ]) {
    assert.throws(() => content.path(digest as Digest), code('CORRUPT'));
  }
});

test('the store directory is an OCI layout once it has a blob', async () => {
  await content.ingest(bytes('layout'));
  assert.deepEqual(JSON.parse(readFileSync(join(root, 'oci-layout'), 'utf8')), {
    imageLayoutVersion: '1.0.0',
  });
});
