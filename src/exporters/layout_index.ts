import type { Descriptor } from '../content/contract.ts';
import { isDigest } from '../content/digest.ts';
import { CairnError } from '../errors/error.ts';
import { formatReference, parseNamed } from '../registry/reference.ts';
import { indexJson } from './manifest.ts';

/** OCI image-spec v1.1, annotations.md. */
const ANNOTATION_REF_NAME = 'org.opencontainers.image.ref.name';
export const ANNOTATION_CREATED = 'org.opencontainers.image.created';
/** containerd's: the full name, of which the one above has the tag only. */
const ANNOTATION_IMAGE_NAME = 'io.containerd.image.name';

export const LAYOUT_FILE = 'oci-layout';
export const LAYOUT_TEXT = '{"imageLayoutVersion":"1.0.0"}';

/** Names with registry and tag filled in. @throws CairnError USAGE */
export function normalizedNames(names: readonly string[]): string[] {
  return names.map((name) => {
    const reference = parseNamed(name);
    const bare = reference.tag === undefined && reference.digest === undefined;
    return formatReference(bare ? { ...reference, tag: 'latest' } : reference);
  });
}

/** The descriptor as index.json has it, once for each name. */
export function namedDescriptors(root: Descriptor, names: readonly string[]): Descriptor[] {
  if (names.length === 0) return [root];
  return names.map((name) =>
    withAnnotations(root, { [ANNOTATION_IMAGE_NAME]: name, [ANNOTATION_REF_NAME]: refName(name) }),
  );
}

export function withAnnotations(descriptor: Descriptor, annotations: Record<string, string>): Descriptor {
  return { ...descriptor, annotations: { ...descriptor.annotations, ...annotations } };
}

/** What follows the repository, as containerd's tar exporter takes it: tag, or tag and digest; else the whole name. */
function refName(name: string): string {
  const { tag, digest } = parseNamed(name);
  if (tag === undefined) return name;
  return digest === undefined ? tag : `${tag}@${digest}`;
}

/**
 * index.json of a layout directory with an image added; entries of the same names are replaced, all others kept.
 * Without names the image gets the tag `latest`, as from buildx.
 *
 * @param existing text of the directory's index.json, if it has one
 * @throws CairnError CORRUPT when that is not an index
 */
export function addToIndex(existing: string | undefined, root: Descriptor, names: readonly string[]): string {
  let manifests = existing === undefined || existing === '' ? [] : parseIndex(existing);
  const added =
    names.length === 0
      ? [withAnnotations(root, { [ANNOTATION_REF_NAME]: 'latest' })]
      : namedDescriptors(root, names);
  for (const descriptor of added) {
    manifests = [...manifests.filter((other) => !sameName(other, descriptor)), descriptor];
  }
  return indexJson(manifests, { oci: true });
}

function sameName(a: Descriptor, b: Descriptor): boolean {
  return [ANNOTATION_REF_NAME, ANNOTATION_IMAGE_NAME].every(
    (key) => (a.annotations?.[key] ?? '') === (b.annotations?.[key] ?? ''),
  );
}

function parseIndex(text: string): Descriptor[] {
  const invalid = (cause?: unknown): CairnError =>
    new CairnError('index.json in the destination is not an OCI index', {
      code: 'CORRUPT',
      hint: 'choose an empty directory',
      cause,
    });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(error);
  }
  if (typeof value !== 'object' || value === null) throw invalid();
  const manifests = 'manifests' in value ? (value.manifests ?? []) : [];
  if (!Array.isArray(manifests) || !manifests.every(isDescriptor)) throw invalid();
  return manifests;
}

function isDescriptor(value: unknown): value is Descriptor {
  return (
    typeof value === 'object' &&
    value !== null &&
    'mediaType' in value &&
    typeof value.mediaType === 'string' &&
    'digest' in value &&
    typeof value.digest === 'string' &&
    isDigest(value.digest) &&
    'size' in value &&
    typeof value.size === 'number'
  );
}
