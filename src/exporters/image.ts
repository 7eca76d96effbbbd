import {
  ANNOTATION_CREATED_AT,
  ANNOTATION_UNCOMPRESSED,
  type BlobOrigin,
  type BlobProvider,
  type ContentStore,
  type Descriptor,
  type Digest,
} from '../content/contract.ts';
import { diffIDOf } from '../content/compression/convert.ts';
import { digestOf } from '../content/digest.ts';
import {
  DOCKER_CONFIG,
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_MANIFEST,
} from '../content/media_types.ts';
import { originsOf } from '../content/origin.ts';
import { CairnError } from '../errors/error.ts';
import { formatPlatformFull } from '../llb/platform.ts';
import { startStatus } from '../progress/vertex.ts';
import type { SnapshotStore } from '../snapshots/contract.ts';
import { finishConfig, type ConfigLayer } from './config.ts';
import type { ExportContext, ExportInput, ExportRef } from './contract.ts';
import { parseGoTime } from './go_time.ts';
import type { ImageOptions } from './image_options.ts';
import { indexJson, manifestJson, ociPlatform } from './manifest.ts';
import { layerDescriptions } from './layer_descriptions.ts';
import { manifestLayer } from './layer_descriptor.ts';

export interface ImageServices {
  content: ContentStore;
  snapshots: SnapshotStore;
}

/** An image that was assembled: its manifests and configs are in the content store, its layers may be lazy. */
export interface AssembledImage {
  /** Of the index, or of the one manifest. */
  root: Descriptor;
  /** Absent for an index. */
  configDigest?: Digest;
  images: AssembledManifest[];
  /** Reads every blob of the image. */
  provider: BlobProvider;
}

export interface AssembledManifest {
  descriptor: Descriptor;
  config: Descriptor;
  /** As in the manifest. */
  layers: Descriptor[];
  /** For each layer, repositories that have it. */
  origins: BlobOrigin[][];
}

interface Layers {
  descriptors: Descriptor[];
  provider: BlobProvider;
}

/**
 * Writes configs, manifests and index of a build's result as BuildKit v0.32.2 does (exporter/containerimage,
 * writer.go). Layers get blobs where they have none.
 *
 * @throws CairnError USAGE for annotations of an index or a platform that the build does not have
 */
export async function assembleImage(
  services: ImageServices,
  input: ExportInput,
  options: ImageOptions,
  context: ExportContext,
): Promise<AssembledImage> {
  const isMap = input.refs.some((ref) => ref.platformId !== undefined);
  checkAnnotations(input, options, isMap);
  const layers = await exportLayers(services, input.refs, options, context);
  const images: AssembledManifest[] = [];
  for (const [i, ref] of input.refs.entries()) {
    const own = layers[i];
    if (own === undefined) throw new Error('layers of a ref are missing');
    const epoch = options.epoch === undefined ? ref.sourceDateEpoch : options.epoch.seconds;
    if (options.rewriteTimestamp) {
      // Reads and writes tars: only loaded where it is used.
      const { rewriteLayers } = await import('./rewrite.ts');
      await rewriteLayers(services.content, own, { epoch, ref, compression: options.compression }, context);
    }
    images.push(await writeManifest(services, ref, own, { ...options, epoch, isMap }, context));
  }
  const provider = joinedProvider(services.content, layers);
  const [first] = images;
  if (!isMap) {
    if (first === undefined || images.length !== 1) throw new Error('an image needs exactly one ref');
    return { root: first.descriptor, configDigest: first.config.digest, images, provider };
  }
  return { root: await writeIndex(services.content, images, options, context), images, provider };
}

function checkAnnotations(input: ExportInput, options: ImageOptions, isMap: boolean): void {
  const { annotations } = options;
  const ids = input.refs.map((ref) => ref.platformId ?? formatPlatformFull(ref.platform));
  const unknown = annotations.platforms().find((platform) => !ids.includes(platform));
  // As in BuildKit, an image of one platform has those of its own and no complaint about others.
  if (isMap && unknown !== undefined) {
    throw new CairnError(`invalid annotation: no platform ${unknown} found in source`, {
      code: 'USAGE',
      hint: `the build has ${ids.join(', ')}`,
    });
  }
  const forIndex = { ...annotations.of('index'), ...annotations.of('index-descriptor') };
  if (!isMap && Object.keys(forIndex).length > 0) {
    throw new CairnError('index annotations not supported for single platform export', { code: 'USAGE' });
  }
}

async function exportLayers(
  { content, snapshots }: ImageServices,
  refs: readonly ExportRef[],
  options: ImageOptions,
  context: ExportContext,
): Promise<Layers[]> {
  const done = startStatus(context.progress, 'exporting layers');
  const layers = await Promise.all(
    refs.map(async ({ snapshot }): Promise<Layers> => {
      if (snapshot === undefined) return { descriptors: [], provider: content };
      const remote = await snapshots.remote(snapshot, options.compression, {
        progress: context.progress,
        signal: context.signal,
      });
      if (remote === undefined) throw new Error('a snapshot gave no layers');
      return { descriptors: [...remote.descriptors], provider: remote.provider };
    }),
  );
  done();
  context.layersReady?.();
  return layers;
}

async function writeManifest(
  services: ImageServices,
  ref: ExportRef,
  layers: Layers,
  options: Omit<ImageOptions, 'epoch'> & { epoch: number | undefined; isMap: boolean },
  context: ExportContext,
): Promise<AssembledManifest> {
  const { oci, annotations, epoch } = options;
  // BuildKit gives a manifest without an index only the annotations that name no platform.
  const platform = options.isMap ? ref.platform : undefined;
  const configText = finishConfig({
    imageConfig: ref.imageConfig,
    baseImageConfig: ref.baseImageConfig,
    layers: layers.descriptors.map(configLayer),
    sourceDateEpoch: epoch,
    inlineCache: ref.inlineCache,
    describe: () => (ref.snapshot === undefined ? [] : layerDescriptions(services.snapshots, ref.snapshot)),
  });
  const config: Descriptor = {
    mediaType: oci ? OCI_CONFIG : DOCKER_CONFIG,
    digest: digestOf(configText),
    size: Buffer.byteLength(configText),
  };
  const stored = layers.descriptors.map((layer) => manifestLayer(layer, options));
  const text = manifestJson(
    {
      config,
      layers: stored,
      annotations: annotations.of('manifest', platform),
    },
    oci,
  );
  const descriptor: Descriptor = {
    mediaType: oci ? OCI_MANIFEST : DOCKER_MANIFEST,
    digest: digestOf(text),
    size: Buffer.byteLength(text),
    annotations: annotations.of('manifest-descriptor', platform),
    platform: ociPlatform(ref.platform),
  };
  await write(services.content, `exporting manifest ${descriptor.digest}`, text, context);
  await write(services.content, `exporting config ${config.digest}`, configText, context);
  const origins = layers.descriptors.map((layer) => originsOf(layer));
  return { descriptor, config, layers: stored, origins };
}

async function writeIndex(
  content: ContentStore,
  images: readonly AssembledManifest[],
  { oci, annotations }: ImageOptions,
  context: ExportContext,
): Promise<Descriptor> {
  const text = indexJson(
    images.map((image) => image.descriptor),
    { oci, annotations: annotations.of('index'), indent: '  ' },
  );
  const root: Descriptor = {
    mediaType: oci ? OCI_INDEX : DOCKER_MANIFEST_LIST,
    digest: digestOf(text),
    size: Buffer.byteLength(text),
    annotations: annotations.of('index-descriptor'),
  };
  await write(content, `exporting manifest list ${root.digest}`, text, context);
  return root;
}

async function write(
  content: ContentStore,
  status: string,
  text: string,
  context: ExportContext,
): Promise<void> {
  const done = startStatus(context.progress, status);
  await content.ingest(Buffer.from(text), {}, { signal: context.signal });
  done();
}

function configLayer(layer: Descriptor): ConfigLayer {
  const diffID = diffIDOf(layer);
  if (diffID === undefined)
    throw new Error(`layer ${layer.digest} lacks the annotation ${ANNOTATION_UNCOMPRESSED}`);
  const createdAt = layer.annotations?.[ANNOTATION_CREATED_AT];
  return { diffID, ...(createdAt === undefined ? {} : { createdAt: parseGoTime(createdAt) }) };
}

/** Reads layers from where they are, everything else from the content store. */
function joinedProvider(content: ContentStore, layers: readonly Layers[]): BlobProvider {
  const providers = new Map<Digest, BlobProvider>();
  for (const { descriptors, provider } of layers) {
    for (const descriptor of descriptors) providers.set(descriptor.digest, provider);
  }
  return {
    read(blob, options) {
      const local = content.info(blob.digest) !== undefined;
      return (local ? content : (providers.get(blob.digest) ?? content)).read(blob, options);
    },
  };
}
