/** Images of an OCI layout directory as an {@link ImagePlace} (OCI image-spec v1.1, image-layout.md). */
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CairnError } from '../errors/error.ts';
import type { BlobProvider, Descriptor, Digest } from '../content/contract.ts';
import { isDigest, parseDigest } from '../content/digest.ts';
import { verified } from '../content/verify.ts';
import type { ContextSource } from './contract.ts';
import { detectMediaType, type ImagePlace } from './image_manifest.ts';

const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;
/** Annotations of index entries that name an image, and how. */
const NAME_ANNOTATIONS = ['org.opencontainers.image.ref.name', 'io.containerd.image.name'];

/** A reference as `oci-layout://` has it: a name, then `:tag`, `@digest`, or both. */
export interface LayoutReference {
  name: string;
  tag: string | undefined;
  digest: Digest | undefined;
}

/** @throws CairnError SOLVE */
export function parseLayoutReference(text: string): LayoutReference {
  const at = text.indexOf('@');
  const beforeDigest = at === -1 ? text : text.slice(0, at);
  const digest = at === -1 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) {
    throw new CairnError(`invalid reference "${text}": invalid digest`, { code: 'SOLVE' });
  }
  const slash = beforeDigest.lastIndexOf('/');
  const colon = beforeDigest.indexOf(':', slash + 1);
  const tag = colon === -1 ? undefined : beforeDigest.slice(colon + 1);
  const name = colon === -1 ? beforeDigest : beforeDigest.slice(0, colon);
  if (name === '') throw new CairnError(`invalid reference "${text}": hostname required`, { code: 'SOLVE' });
  return { name, tag, digest };
}

function blobPath(root: string, digest: Digest): string {
  const { algorithm, hex } = parseDigest(digest);
  return join(root, 'blobs', algorithm, hex);
}

/** The entry of index.json under a tag: the only one, or the one whose name is the tag or ends in it. */
function findTag(root: string, tag: string, text: string): Digest {
  let index: unknown;
  try {
    index = JSON.parse(readFileSync(join(root, 'index.json'), 'utf8'));
  } catch (cause) {
    throw new CairnError(`${root} is not an OCI layout: index.json cannot be read`, { code: 'USAGE', cause });
  }
  const { manifests = [] } = (index ?? {}) as { manifests?: Descriptor[] };
  const names = (entry: Descriptor): string[] =>
    NAME_ANNOTATIONS.flatMap((key) => entry.annotations?.[key] ?? []);
  const named = manifests.find((entry) => names(entry).some((n) => n === tag || n.endsWith(`:${tag}`)));
  const only = manifests.length === 1 && tag === 'latest' ? manifests[0] : undefined;
  const digest = (named ?? only)?.digest;
  if (digest === undefined || !isDigest(digest)) {
    throw new CairnError(`${text}: the OCI layout ${root} has no image with the tag "${tag}"`, {
      code: 'NOT_FOUND',
    });
  }
  return digest;
}

/** The image that `reference` names in the layout that the client offers as `storeId`. */
export function layoutImage(text: string, storeId: string, client: ContextSource): ImagePlace {
  const reference = parseLayoutReference(text);
  const root = (): string => {
    const path = client.ociLayout(storeId);
    if (path === undefined) {
      throw new CairnError(`unable to get info about digest: unknown store oci:${storeId}: not found`, {
        code: 'NOT_FOUND',
      });
    }
    return path;
  };
  const size = (digest: Digest): number => {
    const stat = statSync(blobPath(root(), digest), { throwIfNoEntry: false });
    if (stat === undefined) {
      throw new CairnError(`unable to get info about digest: ${digest} is not in the OCI layout ${root()}`, {
        code: 'NOT_FOUND',
      });
    }
    return stat.size;
  };
  const layers: BlobProvider = {
    async *read(blob, options = {}) {
      const { range, signal } = options;
      size(blob.digest);
      if (range !== undefined && (range.end ?? blob.size) <= range.start) return;
      const stream = createReadStream(blobPath(root(), blob.digest), {
        start: range?.start ?? 0,
        ...(range?.end === undefined ? {} : { end: range.end - 1 }),
        ...(signal === undefined ? {} : { signal }),
      });
      yield* stream as AsyncIterable<Uint8Array>;
    },
  };
  return {
    layers,
    origin: undefined,
    async resolve() {
      const digest = reference.digest ?? findTag(root(), reference.tag ?? 'latest', text);
      const bytes = await readDocument(digest, size(digest));
      return { mediaType: detectMediaType(bytes), digest, size: bytes.length };
    },
    document: (descriptor) => readDocument(descriptor.digest, size(descriptor.digest)),
  };

  async function readDocument(digest: Digest, bytes: number): Promise<Uint8Array> {
    if (bytes > MAX_DOCUMENT_BYTES) {
      throw new CairnError(`${digest} in the OCI layout ${root()} is too large for a manifest`, {
        code: 'CORRUPT',
      });
    }
    const data = await readFile(blobPath(root(), digest));
    const once = async function* (): AsyncGenerator<Uint8Array> {
      yield data;
    };
    for await (const _ of verified(once(), { digest })) void _;
    return data;
  }
}
