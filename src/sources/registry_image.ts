/** Images of a registry as an {@link ImagePlace}; documents are kept by digest in the content store. */
import { CairnError } from '../errors/error.ts';
import type { ContentStore, Descriptor } from '../content/contract.ts';
import type { Reference, RegistryClient } from '../registry/contract.ts';
import { formatReference } from '../registry/reference.ts';
import { detectMediaType, type ImagePlace } from './image_manifest.ts';

/** Manifests, indexes and configs are read whole; containerd's limit for manifests is 4 MiB. */
const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;

/** 401 and 403 in containerd's words. */
function pullError(error: unknown): unknown {
  if (!(error instanceof CairnError) || error.code !== 'DENIED') return error;
  return new CairnError(
    `pull access denied, repository does not exist or may require authorization: ${error.message}`,
    { code: 'DENIED', hint: 'log in to the registry with an account that may pull there', cause: error },
  );
}

/** The image that `reference` names in its registry. A digest that the content store has is not asked for again. */
export function registryImage(
  reference: Reference,
  registry: RegistryClient,
  content: ContentStore,
): ImagePlace {
  const repository = registry.repository(reference);
  return {
    layers: repository,
    origin: repository.origin,
    async resolve(signal) {
      const { digest, tag = 'latest' } = reference;
      if (digest !== undefined) {
        const bytes = await content.readSound(digest, MAX_DOCUMENT_BYTES);
        if (bytes !== undefined) return { mediaType: detectMediaType(bytes), digest, size: bytes.length };
      }
      let found: Descriptor | undefined;
      try {
        found = await repository.resolve(digest ?? tag, { signal });
      } catch (error) {
        throw pullError(error);
      }
      if (found === undefined) {
        throw new CairnError(`${formatReference(reference)}: not found`, { code: 'NOT_FOUND' });
      }
      return found;
    },
    async document(descriptor, signal) {
      const { digest, size } = descriptor;
      const here = await content.readSound(digest, MAX_DOCUMENT_BYTES);
      if (here !== undefined) return here;
      if (descriptor.mediaType.includes('manifest') || descriptor.mediaType.includes('index')) {
        const { bytes } = await repository.manifest(digest, { signal });
        await content.ingest(bytes, { digest, size }, { signal });
        return bytes;
      }
      await content.ingest(repository.read(descriptor, { signal }), { digest, size }, { signal });
      return content.readAll(digest, MAX_DOCUMENT_BYTES);
    },
  };
}
