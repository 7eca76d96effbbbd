import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Descriptor } from '../../content/contract.ts';
import { digestOf } from '../../content/digest.ts';
import { CairnError } from '../../errors/error.ts';
import { temporaryName } from '../../platform/temporary_name.ts';
import { Layout } from './layout.ts';
import { LayoutIndex } from './layout_index.ts';
import { memoryProvider } from './manifest_format.ts';

const { signal } = new AbortController();
const blobOf = (text: string): Descriptor => ({
  mediaType: 'text/plain',
  digest: digestOf(text),
  size: Buffer.byteLength(text),
});

describe('Layout', () => {
  let root: string;
  before(() => (root = mkdtempSync(join(tmpdir(), 'cairn-layout-'))));
  after(() => rmSync(root, { recursive: true, force: true }));

  const layoutAt = (name: string): Layout => new Layout(join(root, name));
  const put = (layout: Layout, text: string): Promise<void> =>
    layout.write(blobOf(text), memoryProvider(Buffer.from(text)), signal);

  test('a reset waits for writers, and leaves the work to them when they go on', async () => {
    const layout = layoutAt('writers');
    const writing = await layout.beginWriting(signal);
    await put(layout, 'not named yet');
    await layout.reset(signal);
    assert.ok(await layout.has(blobOf('not named yet'), signal));
    writing.end();
    await layout.reset(signal);
    assert.ok(!(await layout.has(blobOf('not named yet'), signal)));
  });

  test('two may write at once', async () => {
    const layout = layoutAt('two');
    const writers = await Promise.all([layout.beginWriting(signal), layout.beginWriting(signal)]);
    for (const writing of writers) writing.end();
  });

  test('a reset keeps what indexes and images lead to, and foreign files', async () => {
    const layout = layoutAt('reset');
    const writing = await layout.beginWriting(signal);
    const [config, layer] = [blobOf('{"config":1}'), blobOf('layer')];
    const manifest = JSON.stringify({ schemaVersion: 2, config, layers: [layer] });
    const index = JSON.stringify({ schemaVersion: 2, manifests: [blobOf(manifest)] });
    for (const text of ['{"config":1}', 'layer', manifest, index, 'garbage']) await put(layout, text);
    await layout.update(signal, (each) => each.put(blobOf(index), 'image'));
    writing.end();
    mkdirSync(join(layout.path, 'ingest'), { recursive: true });
    writeFileSync(join(layout.path, 'ingest/another-tool'), '');
    writeFileSync(join(layout.path, 'ingest/.cairn-0123456789ab-1-1-0-0.tmp'), '');
    await layout.reset(signal);
    assert.deepEqual(
      readdirSync(join(layout.path, 'blobs/sha256')).toSorted(),
      ['{"config":1}', 'layer', manifest, index].map((text) => digestOf(text).slice(7)).toSorted(),
    );
    assert.deepEqual(readdirSync(join(layout.path, 'ingest')), ['another-tool']);
  });

  test('a write removes what a killed one left', async () => {
    const layout = layoutAt('killed');
    mkdirSync(join(layout.path, 'ingest'), { recursive: true });
    const dead = temporaryName().replace(/-\d+-\d+-\d+\.tmp$/, '-1-0-0.tmp');
    writeFileSync(join(layout.path, 'ingest', dead), 'half a layer');
    writeFileSync(join(layout.path, 'ingest/another-tool'), '');
    await put(layout, 'layer');
    assert.deepEqual(readdirSync(join(layout.path, 'ingest')), ['another-tool']);
  });

  test('changes of the index by several at once are all kept', async () => {
    const layout = layoutAt('index');
    const tags = Array.from({ length: 8 }, (_, number) => `tag-${number}`);
    await Promise.all(
      tags.map((tag) => new Layout(layout.path).update(signal, (index) => index.put(blobOf(tag), tag))),
    );
    for (const tag of tags) assert.equal(layout.tagged(tag)?.digest, blobOf(tag).digest);
  });

  test('an index that is damaged is an error, and is not overwritten', async () => {
    const layout = layoutAt('damaged');
    mkdirSync(layout.path);
    writeFileSync(join(layout.path, 'index.json'), '{');
    await assert.rejects(
      layout.update(signal, () => undefined),
      CairnError,
    );
    assert.equal(readFileSync(join(layout.path, 'index.json'), 'utf8'), '{');
  });

  test('a digest never becomes a path', () => {
    assert.throws(() => layoutAt('paths').blob('sha256:../../etc/passwd'), CairnError);
  });
});

describe('LayoutIndex', () => {
  test('keeps entries and fields that it does not know', () => {
    const before = { schemaVersion: 2, manifests: [{ strange: true }], annotations: { x: 'y' } };
    const index = new LayoutIndex(JSON.stringify(before));
    index.put(blobOf('a'), 'latest');
    index.put(blobOf('b'), 'latest');
    const after = JSON.parse(index.encode()) as typeof before;
    assert.deepEqual(after.annotations, { x: 'y' });
    assert.equal(after.manifests.length, 2);
    assert.equal(index.tagged('latest')?.digest, blobOf('b').digest);
  });
});
