import type { RegistryClient } from '../registry/contract.ts';
import type { Attributes } from './attributes.ts';
import type { Exporter } from './contract.ts';
import { assembleImage, type ImageServices } from './image.ts';
import { parseImageOptions } from './image_options.ts';
import { imageResponse } from './response.ts';

export interface ImageExporterServices extends ImageServices {
  /** Made when something is pushed. */
  registry: () => Promise<RegistryClient>;
}

/**
 * `type=image`: an image in the content store, pushed with `push=true` (`type=registry`).
 *
 * Attributes that are about BuildKit's image store (`store`, `unpack`) are accepted and mean nothing: there is no
 * such store, as with BuildKit's own OCI worker.
 *
 * @throws CairnError USAGE for attributes that are unknown, wrong or contradict each other
 */
export function createImageExporter(attributes: Attributes, services: ImageExporterServices): Exporter {
  const options = parseImageOptions(attributes);
  const push = attributes.bool('push') ?? false;
  const byDigest = attributes.bool('push-by-digest') ?? false;
  const insecure = attributes.bool('registry.insecure') ?? false;
  attributes.bool('store');
  attributes.bool('unpack');
  attributes.bool('unsafe-internal-store-allow-incomplete');
  // A second name in the image store, of which there is none; the response has the names without it, as BuildKit's.
  attributes.bool('name-canonical');
  const danglingPrefix = attributes.text('dangling-name-prefix') ?? '';
  // Spelt as BuildKit spells it.
  const danglingOnlyUnnamed = attributes.bool('danging-name-empty-only') ?? false;
  attributes.finish();

  return {
    name: 'exporting to image',
    compression: options.compression,
    readsFiles: false,
    streams: false,
    async export(input, context) {
      const image = await assembleImage(services, input, options, context);
      const names = [...options.names];
      if (danglingPrefix !== '' && (!danglingOnlyUnnamed || names.length === 0)) {
        names.push(`${danglingPrefix}@${image.root.digest}`);
      }
      if (push && names.length > 0) {
        const { pushImage } = await import('./push.ts');
        const registry = await services.registry();
        for (const name of names) {
          await pushImage(
            { content: services.content, registry },
            image,
            name,
            { byDigest, insecure },
            context,
          );
        }
      }
      return imageResponse(image, image.root, names);
    },
  };
}
