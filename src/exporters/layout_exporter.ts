import { isForeignLayerType, isManifestType } from '../content/media_types.ts';
import type { Descriptor } from '../content/contract.ts';
import { CairnError } from '../errors/error.ts';
import { goJson } from '../llb/go_json.ts';
import { startStatus } from '../progress/vertex.ts';
import { familiarReference, parseNamed } from '../registry/reference.ts';
import { archive, blobPath, blobRecords, type ArchiveRecord } from './archive.ts';
import type { Attributes } from './attributes.ts';
import type { Exporter, ExportContext, ExportInput, OutputTarget } from './contract.ts';
import { assembleImage, type AssembledImage, type ImageServices } from './image.ts';
import { parseImageOptions, type ImageOptions } from './image_options.ts';
import { writeLayoutDirectory } from './layout_directory.ts';
import {
  ANNOTATION_CREATED,
  LAYOUT_FILE,
  LAYOUT_TEXT,
  namedDescriptors,
  normalizedNames,
  withAnnotations,
} from './layout_index.ts';
import { indexJson } from './manifest.ts';
import { OutputStream } from './output_stream.ts';
import { imageResponse } from './response.ts';

export interface LayoutExporterServices extends ImageServices {
  output: OutputTarget;
}

/** Where the image exporter puts its result: an archive has no place for it. */
const ATTRIBUTES_OF_IMAGE = [
  'context',
  'name-canonical',
  'prefer-image-digest',
  'push',
  'push-by-digest',
  'registry.insecure',
  'store',
  'unpack',
];

/**
 * `type=oci` and `type=docker`: an OCI image layout as a tar, or with `tar=false` as a directory. The docker
 * variant has a manifest.json, too, which `docker load` and podman read.
 *
 * @throws CairnError USAGE for attributes that are unknown, wrong or contradict each other
 */
export function createLayoutExporter(
  variant: 'oci' | 'docker',
  attributes: Attributes,
  index: number,
  services: LayoutExporterServices,
): Exporter {
  const options = parseImageOptions(attributes);
  const tar = attributes.bool('tar') ?? true;
  attributes.unused(...ATTRIBUTES_OF_IMAGE);
  attributes.finish();
  const names = normalizedNames(options.names);

  return {
    name: `exporting to ${variant} image format`,
    compression: options.compression,
    readsFiles: false,
    streams: true,
    async export(input, context) {
      if (variant === 'docker' && input.refs.some((ref) => ref.platformId !== undefined)) {
        throw new CairnError('docker exporter does not currently support exporting manifest lists', {
          code: 'UNSUPPORTED',
          hint: 'build one platform, or use --output type=oci',
        });
      }
      const image = await assembleImage(services, input, options, context);
      const root = dated(image.root, input, options);
      if (tar) await writeTar(variant, image, root, names, await services.output.file(index), context);
      else {
        await writeLayoutDirectory(
          await services.output.directory(index),
          { root, blobs: blobsOf(image), provider: image.provider, names },
          context.signal,
        );
      }
      return imageResponse(image, root, names);
    },
  };
}

/** With the time of the export, or SOURCE_DATE_EPOCH. */
function dated(root: Descriptor, input: ExportInput, options: ImageOptions): Descriptor {
  if (root.annotations?.[ANNOTATION_CREATED] !== undefined) return root;
  const epochs = new Set(input.refs.map((ref) => ref.sourceDateEpoch));
  const [common] = epochs.size === 1 ? epochs : [];
  const seconds = options.epoch === undefined ? common : options.epoch.seconds;
  const date = seconds === undefined ? new Date() : new Date(seconds * 1000);
  return withAnnotations(root, { [ANNOTATION_CREATED]: date.toISOString().replace(/\.\d+Z$/, 'Z') });
}

function blobsOf(image: AssembledImage): Descriptor[] {
  const blobs = image.images.flatMap(({ descriptor, config, layers }) => [
    ...layers.filter((layer) => !isForeignLayerType(layer.mediaType)),
    config,
    descriptor,
  ]);
  return [...new Map([...blobs, image.root].map((blob) => [blob.digest, blob])).values()];
}

async function writeTar(
  variant: 'oci' | 'docker',
  image: AssembledImage,
  root: Descriptor,
  names: readonly string[],
  file: NodeJS.WritableStream,
  context: ExportContext,
): Promise<void> {
  const done = startStatus(context.progress, 'sending tarball');
  const records: ArchiveRecord[] = [
    { name: LAYOUT_FILE, mode: 0o444, text: LAYOUT_TEXT },
    { name: 'index.json', mode: 0o644, text: indexJson(namedDescriptors(root, names), { oci: true }) },
    ...blobRecords(blobsOf(image)),
  ];
  if (variant === 'docker' && isManifestType(root.mediaType)) {
    records.push({ name: 'manifest.json', mode: 0o644, text: dockerManifest(image, names) });
  }
  const stream = new OutputStream(file);
  for await (const chunk of archive(records, image.provider, context.signal)) await stream.write(chunk);
  await stream.end();
  done();
}

/** What `docker load` reads (Docker image spec v1.2, "manifest.json"). */
function dockerManifest(image: AssembledImage, names: readonly string[]): string {
  return goJson(
    image.images.map(({ config, layers }) => ({
      Config: blobPath(config),
      RepoTags: names.length === 0 ? null : names.map((name) => familiarReference(parseNamed(name))),
      Layers: layers.length === 0 ? null : layers.map(blobPath),
    })),
  );
}
