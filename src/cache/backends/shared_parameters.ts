/** Parameters that every entry of `--cache-to` or `--cache-from` has. */
import type { CompressionConfig } from '../../content/contract.ts';
import { checkLevel } from '../../content/compression/layer.ts';
import { CairnError } from '../../errors/error.ts';
import { DEFAULT_EXPORT_TIMEOUT_MS, DEFAULT_IMPORT_TIMEOUT_MS } from './limits.ts';
import type { ParameterTable, Side, Values } from './parameters.ts';

export const COMMON_PARAMETERS = {
  mode: {
    kind: 'enum',
    values: ['min', 'max'],
    side: 'to',
    default: 'min',
    doc: 'min: results of the final stage; max: results of every step.',
  },
  'ignore-error': {
    kind: 'bool',
    side: 'to',
    doc: 'A failed export is a warning unless this is false; BuildKit fails the build unless it is true.',
  },
  compression: {
    kind: 'enum',
    values: ['uncompressed', 'gzip', 'estargz', 'zstd'],
    side: 'to',
    default: 'gzip',
    doc: 'Compression of layers that have no blob yet.',
  },
  'compression-level': {
    kind: 'integer',
    side: 'to',
    min: 0,
    max: 22,
    doc: 'gzip and estargz 0 to 9, zstd 0 to 22; default: the algorithm’s own.',
  },
  'force-compression': {
    kind: 'bool',
    side: 'to',
    default: false,
    bare: true,
    doc: 'Also recompresses layers that have a blob in another format.',
  },
  'on-failure': {
    kind: 'bool',
    side: 'to',
    default: false,
    bare: true,
    doc: 'Exports what was finished when the build fails. Not known to BuildKit.',
  },
  merge: {
    kind: 'bool',
    side: 'to',
    default: false,
    bare: true,
    doc: 'Unites the export with what is there under the same name instead of replacing it. Not known to BuildKit.',
  },
  timeout: {
    kind: 'duration',
    side: 'both',
    doc: 'Limit for the whole export, or for the import of the manifest. BuildKit knows it for gha only.',
  },
} as const satisfies ParameterTable;

/** Of backends that write an OCI manifest: registry and local. */
export const MANIFEST_PARAMETERS = {
  'oci-mediatypes': {
    kind: 'bool',
    side: 'to',
    default: true,
    doc: 'OCI media types; Docker’s otherwise.',
  },
  'image-manifest': {
    kind: 'bool',
    side: 'to',
    doc: 'An image manifest, which every registry takes, rather than an index. Default: true with OCI media types.',
  },
} as const satisfies ParameterTable;

/** What the common parameters of an entry say. */
export interface CommonValues {
  mode: 'min' | 'max';
  compression: CompressionConfig;
  /** undefined: not given. */
  ignoreError: boolean | undefined;
  onFailure: boolean;
  merge: boolean;
  /** Milliseconds. */
  timeout: number;
}

/** @throws CairnError USAGE for a compression level that the algorithm does not have */
export function commonValues(
  values: Partial<Values<typeof COMMON_PARAMETERS>>,
  side: Side,
  defaultTimeout = side === 'to' ? DEFAULT_EXPORT_TIMEOUT_MS : DEFAULT_IMPORT_TIMEOUT_MS,
): CommonValues {
  const type = values.compression ?? 'gzip';
  const level = values['compression-level'];
  checkLevel(type, level);
  const timeout = values.timeout ?? defaultTimeout;
  if (timeout <= 0) throw new CairnError('timeout must be more than 0', { code: 'USAGE' });
  return {
    mode: values.mode ?? 'min',
    compression: {
      type,
      force: values['force-compression'] ?? false,
      ...(level === undefined ? {} : { level }),
    },
    ignoreError: values['ignore-error'],
    onFailure: values['on-failure'] ?? false,
    merge: values.merge ?? false,
    timeout,
  };
}

export interface ManifestFormat {
  oci: boolean;
  imageManifest: boolean;
}

/** @throws CairnError USAGE for an image manifest with Docker media types, which does not exist */
export function manifestFormat(values: Partial<Values<typeof MANIFEST_PARAMETERS>>): ManifestFormat {
  const oci = values['oci-mediatypes'] ?? true;
  const imageManifest = values['image-manifest'] ?? oci;
  if (imageManifest && !oci) {
    throw new CairnError('OCI mediatypes are required for image-manifest cache format', {
      code: 'USAGE',
      hint: 'leave out image-manifest=true or oci-mediatypes=false',
    });
  }
  return { oci, imageManifest };
}
