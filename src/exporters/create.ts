import { CairnError } from '../errors/error.ts';
import { didYouMean } from '../errors/suggest.ts';
import type { JobPool } from '../platform/contract.ts';
import { Attributes } from './attributes.ts';
import type { Exporter, OutputTarget } from './contract.ts';
import type { ImageExporterServices } from './image_exporter.ts';

export interface ExporterServices extends ImageExporterServices {
  /** Places on the client. */
  output: OutputTarget;
  jobs: JobPool;
}

const TYPES = ['image', 'registry', 'oci', 'docker', 'local', 'tar', 'cacheonly'];

/**
 * The exporter of one `type=…,key=value` entry of a build request. Attributes are checked here, before anything
 * is built.
 *
 * @param index position in the request's exports, by which the client knows where the output goes
 * @throws CairnError USAGE for an unknown type, and for attributes that are unknown, wrong or contradict each other
 */
export async function createExporter(
  entry: { type: string; attrs: Readonly<Record<string, string>> },
  index: number,
  services: ExporterServices,
): Promise<Exporter> {
  const attributes = new Attributes(entry.type, entry.attrs);
  switch (entry.type) {
    case 'image':
      return (await import('./image_exporter.ts')).createImageExporter(attributes, services);
    case 'registry': {
      const pushing = new Attributes(entry.type, { ...entry.attrs, push: 'true' });
      return (await import('./image_exporter.ts')).createImageExporter(pushing, services);
    }
    case 'cacheonly':
      return (await import('./cacheonly.ts')).createCacheOnlyExporter(attributes);
    case 'oci':
    case 'docker':
      return (await import('./layout_exporter.ts')).createLayoutExporter(
        entry.type,
        attributes,
        index,
        services,
      );
    case 'local':
      return (await import('./files_exporter.ts')).createLocalExporter(attributes, index, services);
    case 'tar':
      return (await import('./files_exporter.ts')).createTarExporter(attributes, index, services);
    default:
      throw new CairnError(`exporter ${JSON.stringify(entry.type)} could not be found`, {
        code: 'USAGE',
        hint: didYouMean(entry.type, TYPES) ?? `exporters are ${TYPES.join(', ')}`,
      });
  }
}
