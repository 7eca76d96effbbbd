/** What the descriptor of a layer's blob tells. */
import { isEstargz } from '../content/compression/convert.ts';
import {
  ANNOTATION_CREATED_AT,
  ANNOTATION_UNCOMPRESSED,
  type CompressionType,
  type Descriptor,
} from '../content/contract.ts';
import { compressionOf } from '../content/media_types.ts';
import type { LayerRow } from './records.ts';

/** The compression that a descriptor is in; media types that are unknown count as uncompressed. */
export function compressionType(descriptor: Descriptor): CompressionType {
  return isEstargz(descriptor) ? 'estargz' : (compressionOf(descriptor.mediaType) ?? 'uncompressed');
}

/** A descriptor as Remote promises it: with diffID and creation time. */
export function annotated(descriptor: Descriptor, layer: LayerRow): Descriptor {
  const annotations = { ...descriptor.annotations };
  const diffID = annotations[ANNOTATION_UNCOMPRESSED] ?? layer.diffID;
  if (diffID !== undefined) annotations[ANNOTATION_UNCOMPRESSED] = diffID;
  annotations[ANNOTATION_CREATED_AT] ??= rfc3339(layer.createdAt);
  return { ...descriptor, annotations };
}

/** As Go's time.Time marshals: no zeros at the end of the fraction. */
function rfc3339(date: Date): string {
  return date.toISOString().replace(/\.?0*Z$/, 'Z');
}
