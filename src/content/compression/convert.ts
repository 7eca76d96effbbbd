import {
  ANNOTATION_UNCOMPRESSED,
  type BlobProvider,
  type CompressionConfig,
  type ContentStore,
  type Descriptor,
  type Digest,
} from '../contract.ts';
import { convertLayerMediaType, compressionOf } from '../media_types.ts';
import { isDigest } from '../digest.ts';
import { verified } from '../verify.ts';
import { decompress } from './decompress.ts';
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
  return layer.annotations?.['containerd.io/snapshot/stargz/toc.digest'] !== undefined;
}

/** The diffID that a descriptor's annotation states. */
export function diffIDOf(layer: Descriptor): Digest | undefined {
  const diffID = layer.annotations?.[ANNOTATION_UNCOMPRESSED];
  return diffID !== undefined && isDigest(diffID) ? diffID : undefined;
}

/** The uncompressed bytes of a layer blob, with blob digest, size and (where it is known) diffID verified. */
export function layerBytes(
  layer: Descriptor,
  provider: BlobProvider,
  options: { signal?: AbortSignal } = {},
): AsyncIterable<Uint8Array> {
  const blob = verified(provider.read(layer, options), layer);
  const diffID = diffIDOf(layer);
  const bytes = decompress(blob);
  return diffID === undefined ? bytes : verified(bytes, { digest: diffID });
}

/**
 * Writes a layer in another compression. Its other annotations are kept.
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
  const written = await writeLayer(content, layerBytes(layer, provider, options), config, options);
  return {
    ...written,
    descriptor: {
      ...written.descriptor,
      mediaType: convertLayerMediaType(written.descriptor.mediaType, config.ociMediaTypes ?? true),
      annotations: { ...layer.annotations, ...written.annotations },
    },
  };
}
