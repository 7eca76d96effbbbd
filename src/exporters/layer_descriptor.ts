import type { Descriptor } from '../content/contract.ts';
import {
  convertLayerMediaType,
  distributableLayerMediaType,
  foreignLayerMediaType,
} from '../content/media_types.ts';

/** Set on layers whose times were clamped; BuildKit leaves it in the manifest. */
export const ANNOTATION_REWRITTEN = 'buildkit/rewritten-timestamp';

/** Annotations of layers that images keep (BuildKit cache/refs.go, v0.32.2); all others are somebody's notes. */
const KEPT = new Set([
  ANNOTATION_REWRITTEN,
  'containerd.io/snapshot/stargz/toc.digest',
  'io.containers.estargz.uncompressed-size',
  'containerd.io/snapshot/overlaybd/blob-digest',
  'containerd.io/snapshot/overlaybd/blob-size',
  'containerd.io/snapshot/overlaybd/blob-fs-type',
  'containerd.io/snapshot/overlaybd.localcommitpath',
]);

export interface LayerFamily {
  oci: boolean;
  /** Keep the media types and URLs of layers that must not be pushed. */
  preferForeignLayers: boolean;
}

/** A layer's descriptor as it stands in a manifest. Docker's manifests have no annotations. */
export function manifestLayer(layer: Descriptor, { oci, preferForeignLayers }: LayerFamily): Descriptor {
  const { mediaType, digest, size, urls, annotations } = layer;
  const kept = Object.entries(annotations ?? {}).filter(([key]) => oci && KEPT.has(key));
  const foreign = preferForeignLayers && urls !== undefined && urls.length > 0;
  const type = foreign ? foreignLayerMediaType(mediaType) : distributableLayerMediaType(mediaType);
  return {
    mediaType: convertLayerMediaType(type, oci),
    digest,
    size,
    ...(foreign ? { urls } : {}),
    annotations: Object.fromEntries(kept),
  };
}
