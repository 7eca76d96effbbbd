import type { CompressionConfig, CompressionType } from '../content/contract.ts';
import { checkLevel } from '../content/compression/layer.ts';
import { CairnError } from '../errors/error.ts';
import { didYouMean } from '../errors/suggest.ts';
import { Annotations } from './annotations.ts';
import type { Attributes } from './attributes.ts';

const COMPRESSIONS: readonly CompressionType[] = ['uncompressed', 'gzip', 'estargz', 'zstd'];

/** What image, oci and docker exporters have in common (BuildKit's containerimage.ImageCommitOpts). */
export interface ImageOptions {
  /** Image names as given, not yet normalised. */
  names: string[];
  compression: CompressionConfig;
  oci: boolean;
  annotations: Annotations;
  /** Overrides what the frontend says; `seconds` undefined: no epoch at all. */
  epoch: { seconds: number | undefined } | undefined;
  rewriteTimestamp: boolean;
  /** Keep media types of layers that must not be pushed. */
  preferForeignLayers: boolean;
}

/** @throws CairnError USAGE for values that are wrong or contradict each other */
export function parseImageOptions(attributes: Attributes): ImageOptions {
  const annotations = new Annotations();
  attributes.each((key, value) => annotations.add(key, value));
  const type = parseCompression(attributes.text('compression'));
  const force = attributes.bool('force-compression') ?? false;
  const level = attributes.integer('compression-level');
  checkLevel(type, level);
  const oci = attributes.bool('oci-mediatypes') ?? true;
  if (!oci && type === 'estargz') {
    throw new CairnError('exporter option "compression=estargz" conflicts with "oci-mediatypes=false"', {
      code: 'USAGE',
    });
  }
  if (!oci && annotations.needOci()) {
    throw new CairnError('cannot export annotations with "oci-mediatypes=false"', { code: 'USAGE' });
  }
  // Of older versions, for scripts that still have them.
  attributes.unused('buildinfo', 'buildinfo-attrs');
  // These two shape attestations, of which there are none.
  attributes.bool('attestation-inline');
  if (attributes.bool('oci-artifact') === true && !oci) {
    throw new CairnError('exporter option "oci-artifact=true" conflicts with "oci-mediatypes=false"', {
      code: 'USAGE',
    });
  }
  return {
    names: (attributes.text('name') ?? '').split(',').filter((name) => name !== ''),
    compression: { type, force, ociMediaTypes: oci, ...(level === undefined ? {} : { level }) },
    oci,
    annotations,
    epoch: parseEpoch(attributes.text('source-date-epoch')),
    rewriteTimestamp: attributes.bool('rewrite-timestamp') ?? false,
    preferForeignLayers: attributes.bool('prefer-nondist-layers') ?? false,
  };
}

function parseCompression(text = 'gzip'): CompressionType {
  const type = COMPRESSIONS.find((known) => known === text);
  if (type !== undefined) return type;
  throw new CairnError(`unsupported compression type ${text}`, {
    code: 'USAGE',
    hint: didYouMean(text, COMPRESSIONS) ?? `types are ${COMPRESSIONS.join(', ')}`,
  });
}

/** Empty switches the frontend's epoch off. @throws CairnError USAGE */
export function parseEpoch(text: string | undefined): ImageOptions['epoch'] {
  if (text === undefined) return undefined;
  if (text === '') return { seconds: undefined };
  if (/^-?\d{1,15}$/.test(text)) return { seconds: Number(text) };
  throw new CairnError(`invalid source-date-epoch ${JSON.stringify(text)}`, {
    code: 'USAGE',
    hint: 'give whole seconds since 1970',
  });
}
