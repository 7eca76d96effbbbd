/**
 * `type=inline`: the records in the config of the image that is exported. There is nothing to store beside the
 * image, so this is only the entry; the engine puts the records into the config. Importing is `type=registry`.
 */
import { CairnError } from '../../errors/error.ts';
import { defineBackend } from './contract.ts';

export const backend = defineBackend({
  type: 'inline',
  exportName: 'exporting inline cache',
  parameters: {},
  // The image's exporter decides on the layers, and on whether there is a result at all.
  common: ['mode', 'ignore-error'],
  target: () => 'image',
  check(_, side, { mode }, __, lenient) {
    if (side === 'to' && mode === 'max' && !lenient) {
      throw new CairnError('an inline cache is always mode=min: it has no layers but the image’s', {
        code: 'USAGE',
        hint: 'leave mode out, or export mode=max to another cache beside it',
      });
    }
    if (side === 'to') return;
    throw new CairnError('unknown cache importer: "inline"', {
      code: 'USAGE',
      hint: 'import the image: --cache-from type=registry,ref=IMAGE',
    });
  },
  open() {
    return Promise.reject(new Error('an inline cache is part of an image'));
  },
});
