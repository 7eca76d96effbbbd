import { goJson } from '../llb/go_json.ts';
import type { Descriptor } from '../content/contract.ts';
import { descriptorJson } from './manifest.ts';
import type { AssembledImage } from './image.ts';

/** Response metadata of the exporters that make an image (BuildKit exporter/containerimage/exptypes). */
export function imageResponse(
  image: AssembledImage,
  root: Descriptor,
  names: readonly string[],
): Record<string, string> {
  return {
    ...(names.length === 0 ? {} : { 'image.name': names.join(',') }),
    'containerimage.digest': root.digest,
    ...(image.configDigest === undefined ? {} : { 'containerimage.config.digest': image.configDigest }),
    'containerimage.descriptor': Buffer.from(goJson(descriptorJson(root))).toString('base64'),
  };
}
