import {
  ANNOTATION_UNCOMPRESSED,
  type CompressionConfig,
  type ContentStore,
  type Descriptor,
  type Digest,
} from '../content/contract.ts';
import { diffIDOf, layerBytes } from '../content/compression/convert.ts';
import { DamagedBlobError } from '../content/damaged_blob.ts';
import { writeLayer } from '../content/compression/layer.ts';
import { startStatus } from '../progress/vertex.ts';
import { TarReader } from '../snapshots/tar/reader.ts';
import { TarWriter } from '../snapshots/tar/writer.ts';
import type { TarEntry } from '../snapshots/tar/entry.ts';
import type { BlobProvider } from '../content/contract.ts';
import { baseDiffIDs } from './config.ts';
import type { ExportContext, ExportRef } from './contract.ts';
import { ANNOTATION_REWRITTEN } from './layer_descriptor.ts';

/** Layers of one image; `descriptors` is changed in place where a layer is rewritten. */
interface Layers {
  descriptors: Descriptor[];
  provider: BlobProvider;
}

/**
 * Clamps the times in layers to SOURCE_DATE_EPOCH (`rewrite-timestamp=true`), leaving the layers of the base
 * image as they are. Rewritten layers are in the content store and have the wanted compression.
 */
export async function rewriteLayers(
  content: ContentStore,
  layers: Layers,
  options: { epoch: number | undefined; ref: ExportRef; compression: CompressionConfig },
  context: ExportContext,
): Promise<void> {
  const { epoch, ref, compression } = options;
  if (epoch === undefined) {
    const short = 'rewrite-timestamp is specified, but no source-date-epoch was found';
    context.progress.warning({ level: 1, short });
    return;
  }
  const date = new Date(epoch * 1000).toISOString().replace(/^(.*)T(.*)\.000Z$/, '$1 $2 +0000 UTC');
  const done = startStatus(context.progress, `rewriting layers with source-date-epoch ${epoch} (${date})`);
  const base = baseDiffIDs(ref.baseImageConfig);
  let diverged = false;
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  const rewritten = layers.descriptors.map(async (layer, i) => {
    diverged ||= diffIDOf(layer) !== base[i];
    return diverged ? rewriteLayer(content, layer, layers.provider, epoch, compression, signal) : layer;
  });
  try {
    layers.descriptors = await Promise.all(rewritten);
  } catch (error) {
    // A build whose layer was damaged begins again: nothing may read and write in the store behind it.
    stop.abort();
    await Promise.allSettled(rewritten);
    throw error;
  }
  done();
}

async function rewriteLayer(
  content: ContentStore,
  layer: Descriptor,
  provider: BlobProvider,
  epoch: number,
  compression: CompressionConfig,
  signal: AbortSignal,
): Promise<Descriptor> {
  const source = content.info(layer.digest) === undefined ? provider : content;
  const tar = wellFormed(layer.digest, layerBytes(layer, source, { signal }), (bytes) =>
    clampTimes(bytes, epoch),
  );
  const { descriptor } = await writeLayer(content, tar, { ...compression, ociMediaTypes: true }, { signal });
  return {
    ...descriptor,
    annotations: {
      ...descriptor.annotations,
      [ANNOTATION_UNCOMPRESSED]: descriptor.annotations?.[ANNOTATION_UNCOMPRESSED] ?? '',
      [ANNOTATION_REWRITTEN]: String(epoch),
    },
  };
}

/**
 * What `use` makes of a layer's bytes. Where those cannot be read it fails as they do; all else is their fault.
 * @throws DamagedBlobError
 */
async function* wellFormed(
  digest: Digest,
  bytes: AsyncIterable<Uint8Array>,
  use: (bytes: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let unread: unknown;
  async function* noting(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* bytes;
    } catch (error) {
      unread = error;
      throw error;
    }
  }
  try {
    yield* use(noting());
  } catch (error) {
    throw unread ?? new DamagedBlobError(digest, error);
  }
}

/** The tar written anew with no modification time after `epoch` (Unix seconds). */
export async function* clampTimes(
  tar: AsyncIterable<Uint8Array>,
  epoch: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let chunks: Uint8Array[] = [];
  const writer = new TarWriter((chunk) => chunks.push(chunk), { subSecond: true });
  let current: TarEntry | undefined;
  let written = 0;
  const reader = new TarReader({
    entry(entry) {
      const late = entry.mtime >= epoch;
      // The reader leaves a directory's slash on, the writer adds one.
      const name = entry.type === 'dir' ? entry.name.replace(/\/+$/, '') : entry.name;
      current = { ...entry, name, ...(late ? { mtime: epoch, mtimeNs: 0 } : {}) };
      written = 0;
      writer.header(current);
    },
    data(bytes, position) {
      writer.zeros(position - written);
      writer.data(bytes);
      written = position + bytes.length;
    },
    close() {
      if (current === undefined) return;
      writer.zeros(current.size - written);
      writer.pad(current.size);
    },
  });
  for await (const chunk of tar) {
    reader.write(chunk);
    const ready = chunks;
    chunks = [];
    yield* ready;
  }
  reader.end();
  writer.end();
  yield* chunks;
}
