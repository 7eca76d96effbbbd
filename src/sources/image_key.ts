/** The two cache keys of an image (BuildKit v0.32.2, source/containerimage/pull.go). */
import { CairnError } from '../errors/error.ts';
import type { Digest } from '../content/contract.ts';
import { digestOf } from '../llb/digest.ts';
import { goJson } from '../llb/go_json.ts';
import type { Platform } from '../llb/gen/ops_pb.js';
import type { PlatformImage } from './image_manifest.ts';

/** First key: what the reference names, and for which platform. */
export function manifestKey(root: Digest, platform: Platform, layerLimit: number | undefined): Digest {
  return digestOf(
    goJson({
      Digest: root,
      OS: platform.OS,
      Arch: platform.Architecture,
      Variant: platform.Variant === '' ? undefined : platform.Variant,
      OSVersion: platform.OSVersion === '' ? undefined : platform.OSVersion,
      OSFeatures: platform.OSFeatures.length === 0 ? undefined : platform.OSFeatures,
      Limit: layerLimit,
    }),
  );
}

/** The identity of a stack of layers (OCI image-spec v1.1, config.md#layer-chainid). */
export function chainId(diffIDs: readonly Digest[]): Digest {
  const [first, ...rest] = diffIDs;
  if (first === undefined) throw new Error('the chain id of no layers');
  return rest.reduce<Digest>((chain, diffID) => digestOf(`${chain} ${diffID}`), first);
}

/** Second key: the chain ID; undefined where the image has no layers, then the first key stands for it. */
export function layersKey(image: PlatformImage): Digest | undefined {
  if (image.rootfsType !== 'layers' || image.layers.length === 0) return undefined;
  return chainId(image.layers.map((layer) => layer.diffID));
}

/** `image` with its lowest `limit` layers only. @throws CairnError SOLVE when it has fewer */
export function limitLayers(image: PlatformImage, limit: number | undefined): PlatformImage {
  if (limit === undefined) return image;
  if (limit > image.layers.length) {
    throw new CairnError(
      `layer limit ${limit} is greater than the number of layers in the image ${image.layers.length}`,
      { code: 'SOLVE' },
    );
  }
  return { ...image, layers: image.layers.slice(0, limit) };
}
