import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { CacheEntry } from '../cache/backends/contract.ts';
import type { CompressionConfig } from '../content/contract.ts';
import type { Exporter } from '../exporters/contract.ts';
import { OpMetadataSchema, OpSchema } from '../llb/gen/ops_pb.js';
import type { Edge, Vertex } from '../llb/graph.ts';
import type { Op } from '../ops/contract.ts';
import type { Snapshot } from '../snapshots/contract.ts';
import { EarlyLayers } from './early_layers.ts';

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
const root = { dest: '/', input: 0n, output: 0n };
/** A step on the first input, with the others mounted read-only. */
const exec = (...inputs: Vertex[]): Vertex => {
  const others = inputs.slice(1).map((_, i) => ({ dest: `/${i}`, input: BigInt(i + 1), output: -1n }));
  return vertex({ case: 'exec', value: { mounts: [root, ...others] } }, ...inputs);
};
/** Two copies from the second input onto the first. */
const copies = (base: Vertex, from: Vertex): Vertex => {
  const copy = (input: bigint, output: bigint) =>
    ({
      input,
      secondaryInput: 1n,
      output,
      action: { case: 'copy', value: { src: '/', dest: '/' } },
    }) as const;
  return vertex({ case: 'file', value: { actions: [copy(0n, -1n), copy(2n, 0n)] } }, base, from);
};
const merge = (...inputs: Vertex[]): Vertex => vertex({ case: 'merge', value: {} }, ...inputs);
const edge = (of: Vertex): Edge => ({ vertex: of, index: 0 });

const GZIP: CompressionConfig = { type: 'gzip' };
function image(compression: CompressionConfig = GZIP): Exporter {
  return {
    name: 'x',
    readsFiles: false,
    streams: false,
    compression,
    export: () => Promise.resolve({}),
  };
}

/** Runs all vertices in this order. @returns the indexes of those whose blobs were made, in the order of making */
async function early(
  result: Vertex,
  vertices: Vertex[],
  exporters = [image()],
  entries: CacheEntry[] = [],
): Promise<number[]> {
  const blobs: number[] = [];
  const layers = new EarlyLayers({
    makeBlob: (snapshot) => {
      blobs.push(Number(snapshot.id));
      return Promise.reject(new Error('the disk is full'));
    },
  });
  layers.decide([edge(result), undefined], exporters, { inline: false, entries });
  const run = layers.watch((of) => {
    const tree: Snapshot = { kind: 'snapshot', id: String(vertices.indexOf(of)), layers: [] };
    return { cacheMap: () => assert.fail(), run: () => Promise.resolve([tree]) } satisfies Op;
  });
  for (const each of vertices) await run(each).run([], {} as Parameters<Op['run']>[1]);
  await new Promise(setImmediate);
  if (blobs.length > 0) assert.match(String(layers.failure), /the disk is full/);
  await layers.stop();
  return blobs;
}

test('what an image consists of is compressed early, what it is only made from is not', async () => {
  const base = source();
  const tool = exec(source());
  const first = exec(base, tool);
  const second = copies(first, tool);
  const last = exec(second);
  assert.deepEqual(await early(last, [base, tool, first, second, last]), [0, 2, 3, 4]);
});

test('all that is merged into an image belongs to it', async () => {
  const [one, two] = [exec(source()), exec(source())];
  const all = merge(one, two);
  assert.deepEqual(await early(all, [one, two, all]), [0, 1, 2]);
});

test('nothing is compressed early where no image wants it, or images want it differently', async () => {
  const step = exec(source());
  const files: Exporter = { name: 'x', readsFiles: true, streams: true, export: () => Promise.resolve({}) };
  assert.deepEqual(await early(step, [step], [files]), []);
  assert.deepEqual(await early(step, [step], [image(), image({ type: 'zstd' })]), []);
  assert.deepEqual(await early(step, [step], [files, image()]), [0]);
});

test('a cache of failed builds in another compression finds no blobs in that of the image', async () => {
  const step = exec(source());
  const cache = (onFailure: boolean): CacheEntry =>
    ({ common: { compression: { type: 'zstd' }, onFailure } }) as CacheEntry;
  assert.deepEqual(await early(step, [step], [image()], [cache(true)]), []);
  assert.deepEqual(await early(step, [step], [image()], [cache(false)]), [0]);
});
