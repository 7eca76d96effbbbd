import type { CompressionType } from './contract.ts';

/** Media types of manifests, configs and layers: OCI image-spec v1.1 media-types.md, Docker image manifest v2 schema 2. */
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json';
export const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar';
export const OCI_LAYER_GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip';
export const OCI_LAYER_ZSTD = 'application/vnd.oci.image.layer.v1.tar+zstd';
export const OCI_FOREIGN_LAYER = 'application/vnd.oci.image.layer.nondistributable.v1.tar';
export const OCI_FOREIGN_LAYER_GZIP = 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip';
export const OCI_FOREIGN_LAYER_ZSTD = 'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd';

export const DOCKER_MANIFEST_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
export const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json';
export const DOCKER_LAYER = 'application/vnd.docker.image.rootfs.diff.tar';
export const DOCKER_LAYER_GZIP = 'application/vnd.docker.image.rootfs.diff.tar.gzip';
export const DOCKER_LAYER_ZSTD = 'application/vnd.docker.image.rootfs.diff.tar.zstd';
export const DOCKER_FOREIGN_LAYER = 'application/vnd.docker.image.rootfs.foreign.diff.tar';
export const DOCKER_FOREIGN_LAYER_GZIP = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip';

interface LayerType {
  oci: string;
  docker: string | undefined;
  compression: 'uncompressed' | 'gzip' | 'zstd';
  /** Must not be pushed: whoever needs it gets it from its URLs. */
  foreign: boolean;
}

const LAYER_TYPES: readonly LayerType[] = [
  { oci: OCI_LAYER, docker: DOCKER_LAYER, compression: 'uncompressed', foreign: false },
  { oci: OCI_LAYER_GZIP, docker: DOCKER_LAYER_GZIP, compression: 'gzip', foreign: false },
  { oci: OCI_LAYER_ZSTD, docker: DOCKER_LAYER_ZSTD, compression: 'zstd', foreign: false },
  { oci: OCI_FOREIGN_LAYER, docker: DOCKER_FOREIGN_LAYER, compression: 'uncompressed', foreign: true },
  { oci: OCI_FOREIGN_LAYER_GZIP, docker: DOCKER_FOREIGN_LAYER_GZIP, compression: 'gzip', foreign: true },
  { oci: OCI_FOREIGN_LAYER_ZSTD, docker: undefined, compression: 'zstd', foreign: true },
];

const BY_NAME = new Map<string, LayerType>();
for (const type of LAYER_TYPES) {
  BY_NAME.set(type.oci, type);
  if (type.docker !== undefined) BY_NAME.set(type.docker, type);
}

export function isLayerType(mediaType: string): boolean {
  return BY_NAME.has(mediaType);
}

export function isForeignLayerType(mediaType: string): boolean {
  return BY_NAME.get(mediaType)?.foreign === true;
}

/** Compression that the media type states (estargz is gzip to it); undefined: not a layer's type. */
export function compressionOf(mediaType: string): 'uncompressed' | 'gzip' | 'zstd' | undefined {
  return BY_NAME.get(mediaType)?.compression;
}

/** Media type of a layer that is stored in this compression. */
export function layerMediaType(compression: CompressionType, oci: boolean): string {
  const stored = compression === 'estargz' ? 'gzip' : compression;
  const type = LAYER_TYPES.find((t) => t.compression === stored && !t.foreign);
  if (type?.docker === undefined) throw new Error(`no layer media type for ${compression}`);
  return oci ? type.oci : type.docker;
}

/** The layer type's OCI or Docker spelling; types that are unknown, or that Docker lacks, as they are. */
export function convertLayerMediaType(mediaType: string, oci: boolean): string {
  const type = BY_NAME.get(mediaType);
  return (oci ? type?.oci : type?.docker) ?? mediaType;
}

export function isIndexType(mediaType: string): boolean {
  return mediaType === OCI_INDEX || mediaType === DOCKER_MANIFEST_LIST;
}

export function isManifestType(mediaType: string): boolean {
  return mediaType === OCI_MANIFEST || mediaType === DOCKER_MANIFEST;
}

/** The type of the same layer without the ban on pushing it. */
export function distributableLayerMediaType(mediaType: string): string {
  return sibling(mediaType, false);
}

/** The type of the same layer with the ban on pushing it. */
export function foreignLayerMediaType(mediaType: string): string {
  return sibling(mediaType, true);
}

function sibling(mediaType: string, foreign: boolean): string {
  const type = BY_NAME.get(mediaType);
  if (type === undefined || type.foreign === foreign) return mediaType;
  const other = LAYER_TYPES.find((t) => t.compression === type.compression && t.foreign === foreign);
  return (mediaType === type.oci ? other?.oci : other?.docker) ?? mediaType;
}
