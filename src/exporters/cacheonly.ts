import type { Attributes } from './attributes.ts';
import type { Exporter } from './contract.ts';

/** `type=cacheonly`: the result is built and stays in the cache; nothing is written. */
export function createCacheOnlyExporter(attributes: Attributes): Exporter {
  attributes.finish();
  return {
    name: 'exporting cache only',
    readsFiles: false,
    streams: false,
    export: () => Promise.resolve({}),
  };
}
