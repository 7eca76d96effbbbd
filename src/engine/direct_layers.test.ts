import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { CacheEntry } from '../cache/backends/contract.ts';
import type { CompressionConfig } from '../content/contract.ts';
import type { Exporter } from '../exporters/contract.ts';
import { OpMetadataSchema, OpSchema } from '../llb/gen/ops_pb.js';
import type { Edge, Vertex } from '../llb/graph.ts';
import { DirectLayers } from './direct_layers.ts';

let made = 0;

function vertex(op: NonNullable<MessageInitShape<typeof OpSchema>['op']>, ...inputs: Vertex[]): Vertex {
  return {
    digest: `sha256:${made++}`,
    op: create(OpSchema, { op }),
    metadata: create(OpMetadataSchema),
    inputs: inputs.map((input) => ({ vertex: input, index: 0 })),
    name: '',
  };
}
const source = (): Vertex => vertex({ case: 'source', value: { identifier: 'docker-image://x' } });
const file = (...inputs: Vertex[]): Vertex => vertex({ case: 'file', value: {} }, ...inputs);
const exec = (...inputs: Vertex[]): Vertex => vertex({ case: 'exec', value: {} }, ...inputs);
const merge = (...inputs: Vertex[]): Vertex => vertex({ case: 'merge', value: {} }, ...inputs);
const diff = (...inputs: Vertex[]): Vertex => vertex({ case: 'diff', value: {} }, ...inputs);
const edge = (of: Vertex): Edge => ({ vertex: of, index: 0 });

function exporter(compression?: CompressionConfig, readsFiles = false): Exporter {
  const base = { name: 'x', readsFiles, streams: false, export: () => Promise.resolve({}) };
  return compression === undefined ? base : { ...base, compression };
}
const IMAGE = exporter({ type: 'gzip' });

function cache(compression: CompressionConfig, onFailure = false): CacheEntry {
  return { common: { compression, onFailure } } as CacheEntry;
}

function decided(result: Vertex, exporters: Exporter[] = [IMAGE], entries: CacheEntry[] = []): DirectLayers {
  const direct = new DirectLayers();
  direct.decide([edge(result)], exporters, { inline: false, entries });
  return direct;
}

test('the last copy of a build is direct, one that is built upon is not', () => {
  const context = source();
  const first = file(source(), context);
  const last = file(first, context);
  const direct = decided(last);
  assert.deepEqual(direct.compressionOf(last, 0), { type: 'gzip' });
  assert.equal(direct.compressionOf(first, 0), undefined);
  assert.equal(direct.compressionOf(file(last), 0), undefined);
});

test('copies that are merged are direct until something reads the merged files', () => {
  const [one, two] = [file(source()), file(source())];
  const merged = merge(merge(source(), one), two);
  assert.ok(decided(merged).compressionOf(one, 0));
  assert.ok(decided(merged).compressionOf(two, 0));
  for (const reader of [exec(merged), file(merged), diff(source(), merged)]) {
    const direct = decided(merge(reader, file(source())));
    assert.equal(direct.compressionOf(one, 0), undefined);
    assert.equal(direct.compressionOf(two, 0), undefined);
  }
});

test('a copy that one platform reads is not direct for another', () => {
  const shared = file(source());
  const direct = new DirectLayers();
  direct.decide([edge(shared), edge(exec(shared)), undefined], [IMAGE], { inline: false, entries: [] });
  assert.equal(direct.compressionOf(shared, 0), undefined);
});

test('layers are direct in the compression of the exports that make blobs first', () => {
  const copy = file(source());
  const of = (exporters: Exporter[], entries: CacheEntry[] = []): string | undefined =>
    decided(copy, exporters, entries).compressionOf(copy, 0)?.type;
  const zstd = exporter({ type: 'zstd' });
  assert.equal(of([zstd]), 'zstd');
  assert.equal(of([zstd, exporter()]), 'zstd');
  assert.equal(of([zstd], [cache({ type: 'gzip' })]), 'zstd');
  assert.equal(of([], [cache({ type: 'gzip' }), cache({ type: 'gzip' })]), 'gzip');
  assert.equal(of([IMAGE, exporter({ type: 'gzip', ociMediaTypes: true, force: true })]), 'gzip');
});

test('nothing is direct when files are read, no blobs are made, or blobs of several kinds', () => {
  const copy = file(source());
  const of = (exporters: Exporter[], entries: CacheEntry[] = []): CompressionConfig | undefined =>
    decided(copy, exporters, entries).compressionOf(copy, 0);
  assert.equal(of([]), undefined);
  assert.equal(of([exporter()]), undefined);
  assert.equal(of([IMAGE, exporter(undefined, true)]), undefined);
  assert.equal(of([IMAGE, exporter({ type: 'zstd' })]), undefined);
  assert.equal(of([IMAGE, exporter({ type: 'gzip', level: 9 })]), undefined);
  assert.equal(of([exporter({ type: 'estargz' })]), undefined);
  assert.equal(of([], [cache({ type: 'gzip' }), cache({ type: 'zstd' })]), undefined);
  assert.equal(of([IMAGE], [cache({ type: 'zstd' }, true)]), undefined);
  assert.equal(new DirectLayers().compressionOf(copy, 0), undefined);
});
