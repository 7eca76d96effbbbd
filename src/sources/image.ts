/** `docker-image://` and `oci-layout://`: keys at once, layers only when somebody needs their files. */
import { CairnError } from '../errors/error.ts';
import { ANNOTATION_UNCOMPRESSED, type Digest } from '../content/contract.ts';
import { withOrigin } from '../content/origin.ts';
import type { Platform } from '../llb/gen/ops_pb.js';
import type { VertexProgress } from '../progress/events.ts';
import { startStatus } from '../progress/vertex.ts';
import type { RecordType, SnapshotStore } from '../snapshots/contract.ts';
import type { Source, SourceContext, SourceKey } from './contract.ts';
import { layersKey, limitLayers, manifestKey } from './image_key.ts';
import type { ImagePlace, PlatformImage } from './image_manifest.ts';
import { withProgress } from './layer_progress.ts';

export interface ImageSourceOptions {
  /** The reference as it stands in the op, for progress and errors. */
  ref: string;
  platform: Platform;
  place: ImagePlace;
  /** Loads the image; the same one for all who ask during a build. */
  load(signal: AbortSignal): Promise<PlatformImage>;
  snapshots: SnapshotStore;
  layerLimit: number | undefined;
  checksum: Digest | undefined;
  recordType: RecordType;
}

/** A layer limit as an attribute. @throws CairnError SOLVE */
export function parseLayerLimit(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const limit = /^\+?[0-9]+$/.test(text) ? Number(text) : 0;
  if (limit <= 0 || !Number.isSafeInteger(limit)) {
    throw new CairnError(`invalid layer limit ${text}`, { code: 'SOLVE' });
  }
  return limit;
}

/** A record type as an attribute. @throws CairnError SOLVE */
export function parseRecordType(text: string | undefined): RecordType {
  switch (text) {
    case undefined:
    case '':
    case 'regular':
      return 'regular';
    case 'internal':
    case 'frontend':
      return text;
    default:
      throw new CairnError(`invalid record type ${text}`, { code: 'SOLVE' });
  }
}

export function imageSource(options: ImageSourceOptions): Source {
  const { ref, platform, place, snapshots, layerLimit, checksum } = options;
  let loaded: Promise<PlatformImage> | undefined;

  const resolve = async (signal: AbortSignal, progress: VertexProgress): Promise<PlatformImage> => {
    const end = startStatus(progress, `resolve ${ref}`);
    try {
      const image = limitLayers(await options.load(signal), layerLimit);
      if (checksum !== undefined && image.root.digest !== checksum) {
        throw new CairnError(
          `image digest ${image.root.digest} for ${ref} does not match expected checksum ${checksum}`,
          { code: 'CORRUPT' },
        );
      }
      return image;
    } finally {
      end();
    }
  };
  const image = ({ signal, progress }: SourceContext): Promise<PlatformImage> => {
    loaded ??= resolve(signal, progress).catch((error: unknown) => {
      // Somebody else may ask after the one who asked first gave up.
      if (error instanceof CairnError && error.code === 'CANCELED') loaded = undefined;
      throw error;
    });
    return loaded;
  };

  return {
    async key(index, context): Promise<SourceKey> {
      const current = await image(context);
      const pin = current.root.digest;
      const first = manifestKey(pin, platform, layerLimit);
      if (index === 0) return { key: first, done: false, pin };
      return { key: layersKey(current) ?? first, done: true, pin };
    },
    async snapshot(context) {
      const current = await image(context);
      const provider = withProgress(place.layers, context.progress);
      return snapshots.fromLayers(
        current.layers.map(({ descriptor, diffID }) => {
          const annotations = { ...descriptor.annotations, [ANNOTATION_UNCOMPRESSED]: diffID };
          const layer = { ...descriptor, annotations };
          return {
            descriptor: place.origin === undefined ? layer : withOrigin(layer, place.origin),
            diffID,
            provider,
          };
        }),
        { description: `pulled from ${ref}`, type: options.recordType },
      );
    },
  };
}
