import type { Descriptor, OciPlatform } from '../content/contract.ts';
import { DOCKER_MANIFEST, DOCKER_MANIFEST_LIST, OCI_INDEX, OCI_MANIFEST } from '../content/media_types.ts';
import { goJson } from '../llb/go_json.ts';
import { normalizePlatform } from '../llb/platform.ts';
import type { Platform } from '../llb/gen/ops_pb.js';

/** Keys sorted as Go sorts a map; undefined when there are none. */
function sorted(map: Readonly<Record<string, string>> | undefined): Record<string, string> | undefined {
  const keys = Object.keys(map ?? {}).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  if (map === undefined || keys.length === 0) return undefined;
  return Object.fromEntries(keys.map((key) => [key, map[key] ?? '']));
}

/** Fields in the order of image-spec's Go struct, in which all of its users write them. */
export function descriptorJson(descriptor: Descriptor): Record<string, unknown> {
  const { platform } = descriptor;
  return {
    mediaType: descriptor.mediaType,
    digest: descriptor.digest,
    size: descriptor.size,
    urls: descriptor.urls?.length === 0 ? undefined : descriptor.urls,
    annotations: sorted(descriptor.annotations),
    data: descriptor.data,
    platform:
      platform === undefined
        ? undefined
        : {
            architecture: platform.architecture,
            os: platform.os,
            'os.version': platform['os.version'],
            'os.features': platform['os.features'],
            variant: platform.variant,
          },
    artifactType: descriptor.artifactType,
  };
}

/** The platform of a descriptor, normalised; empty fields left out. */
export function ociPlatform(platform: Platform): OciPlatform {
  const { OS, Architecture, Variant, OSVersion, OSFeatures } = normalizePlatform(platform);
  return {
    architecture: Architecture,
    os: OS,
    ...(OSVersion === '' ? {} : { 'os.version': OSVersion }),
    ...(OSFeatures.length === 0 ? {} : { 'os.features': OSFeatures }),
    ...(Variant === '' ? {} : { variant: Variant }),
  };
}

export interface ManifestInput {
  config: Descriptor;
  layers: readonly Descriptor[];
  annotations?: Readonly<Record<string, string>>;
}

/** An image manifest's text as BuildKit v0.32.2 writes it: two spaces of indentation, `null` for no layers. */
export function manifestJson(input: ManifestInput, oci: boolean): string {
  const layers = input.layers.map(descriptorJson);
  return goJson(
    {
      schemaVersion: 2,
      mediaType: oci ? OCI_MANIFEST : DOCKER_MANIFEST,
      config: descriptorJson(input.config),
      layers: layers.length === 0 ? null : layers,
      annotations: sorted(input.annotations),
    },
    '  ',
  );
}

/** An index's text; `indent` is how BuildKit writes one into a registry, without it the index.json of a layout. */
export function indexJson(
  manifests: readonly Descriptor[],
  options: { oci: boolean; annotations?: Readonly<Record<string, string>>; indent?: string },
): string {
  return goJson(
    {
      schemaVersion: 2,
      mediaType: options.oci ? OCI_INDEX : DOCKER_MANIFEST_LIST,
      manifests: manifests.map(descriptorJson),
      annotations: sorted(options.annotations),
    },
    options.indent,
  );
}
