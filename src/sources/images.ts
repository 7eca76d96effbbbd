/** Images during one build: each is resolved once, for the frontend and for all ops that name it. */
import { CairnError } from '../errors/error.ts';
import { formatPlatformFull, hostPlatform, normalizePlatform } from '../llb/platform.ts';
import type { Platform } from '../llb/gen/ops_pb.js';
import { formatReference, parseDigest, parseReference } from '../registry/reference.ts';
import type { Attrs } from './attrs.ts';
import type { ResolvedImage, ResolveMode, Source, SourceContext } from './contract.ts';
import { imageSource, parseLayerLimit, parseRecordType } from './image.ts';
import { loadImage, type ImagePlace, type PlatformImage } from './image_manifest.ts';
import { layoutImage } from './oci_layout.ts';
import { registryImage } from './registry_image.ts';
import type { SourceServices } from './services.ts';

export interface ResolveImageOptions {
  /** Default: the platform of this machine. */
  platform?: Platform;
  /** `default`, `pull` or `local`. */
  resolveMode?: string;
  /** Set for oci-layout references. */
  ociLayout?: { storeId: string };
}

export interface Images {
  registrySource(ref: string, attrs: Attrs, platform: Platform | undefined): Source;
  layoutSource(ref: string, attrs: Attrs, platform: Platform | undefined): Source;
  /**
   * The config of an image for the frontend.
   * @throws CairnError with BuildKit's words, `failed to resolve source metadata for …`
   */
  resolveImage(ref: string, options: ResolveImageOptions, context: SourceContext): Promise<ResolvedImage>;
}

const RESOLVE_MODES: readonly string[] = ['', 'default', 'pull', 'local'] satisfies (ResolveMode | '')[];

/**
 * There is no store of images beside the content store, so `default` and `local` mean the same as `pull`: a tag is
 * asked for once in each build, a digest that is here never.
 * @throws CairnError SOLVE
 */
function checkResolveMode(mode: string | undefined): void {
  if (!RESOLVE_MODES.includes(mode ?? '')) {
    throw new CairnError(`invalid resolvemode: ${mode ?? ''}`, { code: 'SOLVE' });
  }
}

export function createImages(services: SourceServices): Images {
  const { content, registry, snapshots, client } = services;
  const places = new Map<string, ImagePlace>();
  const images = new Map<string, Promise<PlatformImage>>();

  const placeOf = (key: string, make: () => ImagePlace): ImagePlace => {
    let place = places.get(key);
    if (place === undefined) {
      place = rememberingRoot(make());
      places.set(key, place);
    }
    return place;
  };
  const load = (
    key: string,
    place: ImagePlace,
    platform: Platform,
    signal: AbortSignal,
  ): Promise<PlatformImage> => {
    const whole = `${key} ${formatPlatformFull(normalizePlatform(platform))}`;
    let image = images.get(whole);
    if (image === undefined) {
      image = loadImage(place, platform, signal);
      images.set(whole, image);
      image.catch(() => images.delete(whole));
    }
    return image;
  };
  const registryPlace = (text: string): { key: string; place: ImagePlace; ref: string } => {
    const reference = parseReference(text);
    const ref = formatReference(reference);
    const key = `docker-image://${ref}`;
    return { key, ref, place: placeOf(key, () => registryImage(reference, registry, content)) };
  };
  const layoutPlace = (ref: string, storeId: string): { key: string; place: ImagePlace; ref: string } => {
    const key = `oci-layout://${ref} ${storeId}`;
    return { key, ref, place: placeOf(key, () => layoutImage(ref, storeId, client)) };
  };

  return {
    registrySource(text, attrs, platform) {
      checkResolveMode(attrs['image.resolvemode']);
      const { key, place, ref } = registryPlace(text);
      const wanted = platform ?? hostPlatform();
      const checksum = attrs['image.checksum'];
      return imageSource({
        ref,
        place,
        platform: wanted,
        load: (signal) => load(key, place, wanted, signal),
        snapshots,
        layerLimit: parseLayerLimit(attrs['image.layerlimit']),
        checksum: checksum === undefined ? undefined : parseDigest(checksum),
        recordType: parseRecordType(attrs['image.recordtype']),
      });
    },
    layoutSource(text, attrs, platform) {
      const { key, place, ref } = layoutPlace(text, attrs['oci.store'] ?? '');
      const wanted = platform ?? hostPlatform();
      return imageSource({
        ref,
        place,
        platform: wanted,
        load: (signal) => load(key, place, wanted, signal),
        snapshots,
        layerLimit: parseLayerLimit(attrs['oci.layerlimit']),
        checksum: undefined,
        recordType: 'regular',
      });
    },
    async resolveImage(text, options, { signal }) {
      checkResolveMode(options.resolveMode);
      const platform = options.platform ?? hostPlatform();
      const { key, place, ref } =
        options.ociLayout === undefined ? registryPlace(text) : layoutPlace(text, options.ociLayout.storeId);
      try {
        const image = await load(key, place, platform, signal);
        return { ref, digest: image.root.digest, config: image.config };
      } catch (error) {
        if (!(error instanceof CairnError) || error.code === 'CANCELED') throw error;
        throw new CairnError(`failed to resolve source metadata for ${ref}: ${error.message}`, {
          code: error.code,
          hint: error.hint,
          cause: error,
        });
      }
    },
  };
}

/** A place whose reference means the same for the whole build, whatever happens to the tag meanwhile. */
function rememberingRoot(place: ImagePlace): ImagePlace {
  let root: ReturnType<ImagePlace['resolve']> | undefined;
  return {
    ...place,
    resolve(signal) {
      if (root === undefined) {
        root = place.resolve(signal);
        root.catch(() => (root = undefined));
      }
      return root;
    },
  };
}
