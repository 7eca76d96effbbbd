import type { BlobOrigin, Descriptor } from './contract.ts';

/**
 * Prefix of the annotations that say which repositories of a registry have a blob, comma-separated:
 * containerd's `containerd.io/distribution.source.<host>`. They stay out of manifests.
 */
export const ANNOTATION_SOURCE_PREFIX = 'containerd.io/distribution.source.';

/** The descriptor with a note that this repository has the blob. */
export function withOrigin(descriptor: Descriptor, origin: BlobOrigin): Descriptor {
  const key = ANNOTATION_SOURCE_PREFIX + origin.host;
  const repositories = new Set(descriptor.annotations?.[key]?.split(','));
  repositories.add(origin.repository);
  return { ...descriptor, annotations: { ...descriptor.annotations, [key]: [...repositories].join(',') } };
}

/** The repositories that have the blob, as far as the descriptor knows. */
export function originsOf(descriptor: Descriptor): BlobOrigin[] {
  return Object.entries(descriptor.annotations ?? {})
    .filter(([key]) => key.startsWith(ANNOTATION_SOURCE_PREFIX))
    .flatMap(([key, value]) =>
      value
        .split(',')
        .filter((repository) => repository !== '')
        .map((repository) => ({ host: key.slice(ANNOTATION_SOURCE_PREFIX.length), repository })),
    );
}
