import {
  ANNOTATION_UNCOMPRESSED,
  type BlobProvider,
  type CompressionConfig,
  type ContentStore,
  type Descriptor,
  type Digest,
} from '../contract.ts';
import { CairnError } from '../../errors/error.ts';
import { compressionOf } from '../media_types.ts';
import { DamagedBlobError } from '../damaged_blob.ts';
import { isDigest } from '../digest.ts';
import { collect, verified } from '../verify.ts';
import { decompress } from './decompress.ts';
import {
  ANNOTATION_TOC_DIGEST,
  ANNOTATION_UNCOMPRESSED_SIZE,
  FOOTER_BYTES,
  parseFooter,
} from './estargz_toc.ts';
import { writeLayer, type WrittenLayer } from './layer.ts';

/** True when a layer has to be written anew to be stored as `config` says. */
export function needsConversion(layer: Descriptor, config: CompressionConfig): boolean {
  if (config.force !== true) return false;
  const stored = compressionOf(layer.mediaType);
  if (stored === undefined) return false;
  return isEstargz(layer) ? config.type !== 'estargz' : stored !== config.type;
}

/** True when the descriptor says that the blob has an estargz table of contents. */
export function isEstargz(layer: Descriptor): boolean {
  return layer.annotations?.[ANNOTATION_TOC_DIGEST] !== undefined;
}

/** The diffID that a descriptor's annotation states. */
export function diffIDOf(layer: Descriptor): Digest | undefined {
  const diffID = layer.annotations?.[ANNOTATION_UNCOMPRESSED];
  return diffID !== undefined && isDigest(diffID) ? diffID : undefined;
}

/**
 * The uncompressed bytes of a layer blob, with blob digest, size and (where it is known) diffID verified.
 * @throws DamagedBlobError where the blob is another one or cannot be decompressed; what reading it fails with
 */
export async function* layerBytes(
  layer: Descriptor,
  provider: BlobProvider,
  options: { signal?: AbortSignal } = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const read = new Reading(provider);
  const digest = diffIDOf(layer);
  const bytes = decompress(verified(read.provider.read(layer, options), layer));
  try {
    yield* digest === undefined ? bytes : verified(bytes, { digest });
  } catch (error) {
    throw read.failed ? error : new DamagedBlobError(layer.digest, error);
  }
}

/** A provider, and whether it was its fault that something went wrong. */
class Reading {
  failed = false;
  readonly provider: BlobProvider;

  constructor(provider: BlobProvider) {
    this.provider = { read: (blob, options) => this.#noting(provider.read(blob, options)) };
  }

  async *#noting(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* bytes;
    } catch (error) {
      this.failed = true;
      throw error;
    }
  }
}

/** The layer's own tar out of an estargz blob: what comes before the table of contents. The blob is verified. */
async function* estargzTar(
  layer: Descriptor,
  provider: BlobProvider,
  options: { signal?: AbortSignal },
): AsyncGenerator<Uint8Array, void, undefined> {
  const read = new Reading(provider);
  try {
    yield* estargzPayload(layer, read.provider, options);
  } catch (error) {
    throw read.failed ? error : new DamagedBlobError(layer.digest, error);
  }
}

async function* estargzPayload(
  layer: Descriptor,
  provider: BlobProvider,
  options: { signal?: AbortSignal },
): AsyncGenerator<Uint8Array, void, undefined> {
  const range = { start: Math.max(0, layer.size - FOOTER_BYTES), end: layer.size };
  const end = parseFooter(await collect(provider.read(layer, { ...options, range }), FOOTER_BYTES));
  if (end === undefined) {
    throw new CairnError(`layer ${layer.digest} is said to be estargz, but has no footer of it`, {
      code: 'CORRUPT',
    });
  }
  async function* payload(): AsyncGenerator<Uint8Array, void, undefined> {
    let left = end ?? 0;
    for await (const chunk of verified(provider.read(layer, options), layer)) {
      if (left > 0) yield chunk.subarray(0, left);
      left = Math.max(0, left - chunk.length);
    }
  }
  yield* decompress(payload());
}

/**
 * Writes a layer in another compression. Its other annotations are kept; those that only estargz has are not,
 * when it is not estargz any more.
 *
 * @throws CairnError CORRUPT when the blob's digest or diffID is not what the descriptor promises
 */
export async function convertLayer(
  content: ContentStore,
  layer: Descriptor,
  provider: BlobProvider,
  config: CompressionConfig,
  options: { signal?: AbortSignal } = {},
): Promise<WrittenLayer> {
  const tar = isEstargz(layer) ? estargzTar(layer, provider, options) : layerBytes(layer, provider, options);
  const written = await writeLayer(content, tar, config, options);
  const {
    [ANNOTATION_TOC_DIGEST]: _toc,
    [ANNOTATION_UNCOMPRESSED_SIZE]: _size,
    ...kept
  } = layer.annotations ?? {};
  return {
    ...written,
    descriptor: { ...written.descriptor, annotations: { ...kept, ...written.annotations } },
  };
}
