import type { Descriptor } from '../content/contract.ts';
import { isForeignLayerType } from '../content/media_types.ts';
import { verified } from '../content/verify.ts';
import { CairnError, messageOf } from '../errors/error.ts';
import { startStatus } from '../progress/vertex.ts';
import { formatReference, parseNamed, repositoryName } from '../registry/reference.ts';
import { RegistryError } from '../registry/registry_error.ts';
import type { Reference, RegistryClient, Repository } from '../registry/contract.ts';
import type { BlobOrigin, BlobProvider, ContentStore } from '../content/contract.ts';
import type { AssembledImage } from './image.ts';
import type { ExportContext } from './contract.ts';

/**
 * Blobs of one push that are under way at once. The registry client sends six of them at a time; the registry is asked
 * about the others meanwhile.
 */
const PARALLEL_BLOBS = 12;
/** Largest manifest or index that is pushed, the limit of registries (distribution-spec v1.1: at least 4 MiB). */
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

export interface PushOptions {
  byDigest: boolean;
  /** Plain HTTP and no check of certificates. */
  insecure: boolean;
}

/**
 * Pushes an image under one name: blobs in parallel, those that the registry lacks, then manifests, the root last.
 *
 * @throws CairnError with the registry's answer; USAGE for a name that does not fit
 */
export async function pushImage(
  services: { content: ContentStore; registry: RegistryClient },
  image: AssembledImage,
  name: string,
  options: PushOptions,
  context: ExportContext,
): Promise<void> {
  try {
    await push(services, image, name, options, context);
  } catch (error) {
    if (!(error instanceof CairnError)) throw error;
    throw new CairnError(`failed to push ${name}: ${messageOf(error)}`, {
      code: error.code,
      hint: error.hint,
      cause: error,
    });
  }
}

async function push(
  { content, registry }: { content: ContentStore; registry: RegistryClient },
  image: AssembledImage,
  name: string,
  { byDigest, insecure }: PushOptions,
  context: ExportContext,
): Promise<void> {
  const parsed = parseNamed(name);
  if (byDigest && (parsed.tag !== undefined || parsed.digest !== undefined)) {
    throw new CairnError(`can't push tagged ref ${formatReference(parsed)} by digest`, {
      code: 'USAGE',
      hint: `give the name without a tag: ${repositoryName(parsed)}`,
    });
  }
  const target: Reference = byDigest ? parsed : { ...parsed, tag: parsed.tag ?? 'latest' };
  const repository = registry.repository(target, { insecure, forPush: true });
  const shown = byDigest
    ? repositoryName(parsed)
    : `${formatReference({ host: target.host, repository: target.repository, tag: target.tag ?? '' })}@${image.root.digest}`;

  const tagOrDigest = byDigest ? image.root.digest : (target.tag ?? '');
  const there = await repository.resolve(tagOrDigest, { signal: context.signal });
  if (there?.digest === image.root.digest) {
    // A registry takes a manifest only with all that it names: nothing is left to do.
    startStatus(context.progress, 'pushing layers')();
    startStatus(context.progress, `pushing manifest for ${shown}`)();
    return;
  }

  const layersDone = startStatus(context.progress, 'pushing layers');
  const items = blobsOf(image);
  await pushBlobs({ repository, content }, items, image.provider, context);
  layersDone();

  const manifestDone = startStatus(context.progress, `pushing manifest for ${shown}`);
  const assumed = items.filter(({ from }) => from.some((origin) => isOf(repository, origin)));
  try {
    await pushManifests(repository, content, image, tagOrDigest, context);
  } catch (error) {
    if (assumed.length === 0 || !(error instanceof RegistryError) || context.signal.aborted) throw error;
    // The repository has lost blobs that came from it.
    const asked = assumed.map(({ blob, from }) => ({
      blob,
      from: from.filter((origin) => !isOf(repository, origin)),
    }));
    await pushBlobs({ repository, content }, asked, image.provider, context);
    await pushManifests(repository, content, image, tagOrDigest, context);
  }
  manifestDone();
}

function isOf({ origin: { host, repository } }: Repository, origin: BlobOrigin): boolean {
  return origin.host === host && origin.repository === repository;
}

/** Those of platforms first, the root last. */
async function pushManifests(
  repository: Repository,
  content: ContentStore,
  image: AssembledImage,
  tagOrDigest: string,
  context: ExportContext,
): Promise<void> {
  for (const { descriptor } of image.images) {
    if (descriptor.digest === image.root.digest) continue;
    await pushManifest(repository, content, descriptor, descriptor.digest, context);
  }
  await pushManifest(repository, content, image.root, tagOrDigest, context);
}

interface PushItem {
  blob: Descriptor;
  from: BlobOrigin[];
  /** The tag names another image: its config is another one, too. */
  likelyNew?: boolean;
}

/**
 * Each blob once, whatever images name it; layers that must not be pushed are left out. Configs come first: their
 * requests, one after the other, would be what the end waits for.
 */
function blobsOf(image: AssembledImage): PushItem[] {
  const items = new Map<string, PushItem>();
  for (const { config } of image.images)
    items.set(config.digest, { blob: config, from: [], likelyNew: true });
  for (const { layers, origins } of image.images) {
    for (const [i, layer] of layers.entries()) {
      if (!isForeignLayerType(layer.mediaType))
        items.set(layer.digest, { blob: layer, from: origins[i] ?? [] });
    }
  }
  return [...items.values()];
}

async function pushBlobs(
  { repository, content }: { repository: Repository; content: ContentStore },
  items: readonly PushItem[],
  provider: BlobProvider,
  context: ExportContext,
): Promise<void> {
  const waiting = [...items];
  // One failure stops the others.
  const failed = new AbortController();
  const signal = AbortSignal.any([context.signal, failed.signal]);
  const worker = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      await pushBlob({ repository, content }, item, provider, signal, context);
    }
  };
  const workers = Array.from({ length: PARALLEL_BLOBS }, async () => {
    try {
      await worker();
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  });
  const results = await Promise.allSettled(workers);
  if (failed.signal.aborted) throw failed.signal.reason;
  const rejected = results.find((result) => result.status === 'rejected');
  if (rejected !== undefined) throw rejected.reason;
}

async function pushBlob(
  { repository, content }: { repository: Repository; content: ContentStore },
  { blob, from, likelyNew = false }: PushItem,
  provider: BlobProvider,
  signal: AbortSignal,
  context: ExportContext,
): Promise<void> {
  let started: Date | undefined;
  const report = (bytes: number, completed?: Date): void => {
    started ??= new Date();
    context.progress.status({
      id: `pushing ${blob.digest}`,
      name: '',
      current: bytes,
      total: blob.size,
      started,
      ...(completed === undefined ? {} : { completed }),
    });
  };
  const onProgress = (bytes: number): void => report(bytes);
  try {
    await repository.pushBlob(blob, provider, { from, likelyNew, signal, onProgress });
  } catch (error) {
    // The registry checks what it is sent. Where it refuses, it is looked whether our bytes were wrong.
    const here = content.info(blob.digest) !== undefined;
    if (here && !signal.aborted) for await (const _ of verified(content.read(blob, { signal }), blob));
    throw error;
  }
  // What was there or could be mounted sent no byte, and is not shown.
  if (started !== undefined) report(blob.size, new Date());
}

async function pushManifest(
  repository: Repository,
  content: ContentStore,
  descriptor: Descriptor,
  tagOrDigest: string,
  { signal }: ExportContext,
): Promise<void> {
  const bytes = await content.readAll(descriptor.digest, MAX_MANIFEST_BYTES);
  const pushed = await repository.pushManifest(tagOrDigest, bytes, descriptor.mediaType, { signal });
  if (pushed.digest !== descriptor.digest) {
    throw new CairnError(
      `registry ${repository.reference.host} stored another manifest than it was sent: ${pushed.digest} for ${descriptor.digest}`,
      { code: 'CORRUPT' },
    );
  }
}
