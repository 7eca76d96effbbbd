/** index.json of an OCI image layout: manifests by tag, as buildx finds them (client/ociindex, BuildKit v0.32.2). */
import type { Descriptor, Digest } from '../../content/contract.ts';
import { OCI_INDEX } from '../../content/media_types.ts';
import { CairnError, messageOf } from '../../errors/error.ts';
import { goJson } from '../../llb/go_json.ts';
import { descriptors } from './manifest_format.ts';

/** OCI image-spec v1.1, annotations.md. */
const REF_NAME = 'org.opencontainers.image.ref.name';
/** containerd's full name of an image. */
const IMAGE_NAME = 'io.containerd.image.name';

/** Entries and fields that are not understood are kept as they are. */
export class LayoutIndex {
  readonly #fields: Record<string, unknown>;
  #manifests: unknown[];

  /** @throws CairnError CORRUPT when the text is no index */
  constructor(text: string | undefined) {
    const { manifests, ...fields } = text === undefined || text.trim() === '' ? {} : parse(text);
    this.#fields = fields;
    this.#manifests = Array.isArray(manifests) ? manifests : [];
  }

  /** Digests of all manifests. */
  digests(): Digest[] {
    return descriptors(this.#manifests).map(({ digest }) => digest);
  }

  /** By image name, else by tag; undefined: nothing has this name. */
  tagged(name: string): Descriptor | undefined {
    const known = descriptors(this.#manifests);
    return (
      known.find(({ annotations }) => annotations?.[IMAGE_NAME] === name) ??
      known.find(({ annotations }) => annotations?.[REF_NAME] === name)
    );
  }

  /** Adds a manifest under a tag, in place of what had it. */
  put({ mediaType, digest, size }: Descriptor, tag: string): void {
    const others = this.#manifests.filter((entry) => {
      const [known] = descriptors([entry]);
      return known?.annotations?.[REF_NAME] !== tag || (known.annotations[IMAGE_NAME] ?? '') !== '';
    });
    this.#manifests = [...others, { mediaType, digest, size, annotations: { [REF_NAME]: tag } }];
  }

  encode(): string {
    const { schemaVersion = 2, mediaType = OCI_INDEX, ...others } = this.#fields;
    return goJson({ schemaVersion, mediaType, manifests: this.#manifests, ...others });
  }
}

function parse(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CairnError(`index.json is not JSON: ${messageOf(cause)}`, { code: 'CORRUPT', cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new CairnError('index.json is not an OCI index', { code: 'CORRUPT' });
  return value as Record<string, unknown>;
}
