/** `type=registry`: a cache as a manifest in a registry (BuildKit cache/remotecache/registry, v0.32.2). */
import type { BlobProvider, ByteRange, Descriptor, Digest } from '../../content/contract.ts';
import { originsOf, withOrigin } from '../../content/origin.ts';
import { collect, verified } from '../../content/verify.ts';
import { CairnError } from '../../errors/error.ts';
import type { Manifest, Repository } from '../../registry/contract.ts';
import { parseReference } from '../../registry/reference.ts';
import type { CacheManifest, ExportedCache } from '../contract.ts';
import { MANIFEST_PARAMETERS, manifestFormat, type ManifestFormat } from './shared_parameters.ts';
import { parseCacheConfig } from './config_format.ts';
import {
  defineBackend,
  type BackendContext,
  type CacheBackend,
  type Published,
  type WriteOptions,
} from './contract.ts';
import { importInline } from './inline_import.ts';
import {
  LOOK_AGAIN_FACTOR,
  MAX_CONFIG_BYTES,
  MAX_LOOK_AGAIN_MS,
  MIN_LOOK_AGAIN_MS,
  REGISTRY_PARALLEL_WRITES,
} from './limits.ts';
import { byDigest, decodeManifest, encodeCache, memoryProvider, published } from './manifest_format.ts';
import { pause } from './retry.ts';

export const backend = defineBackend({
  type: 'registry',
  exportName: 'exporting cache to registry',
  limitedByBuildKit: true,
  parameters: {
    ref: {
      kind: 'text',
      side: 'both',
      required: true,
      doc: 'The image reference that the cache is stored under; without a tag, :latest.',
    },
    'registry.insecure': {
      kind: 'bool',
      side: 'both',
      default: false,
      bare: true,
      doc: 'Plain HTTP, or HTTPS without a check of certificates.',
    },
    ...MANIFEST_PARAMETERS,
  },
  target: ({ ref }) => ref,
  importedFrom: ({ ref }) => ref,
  check(values) {
    parseReference(values.ref);
    manifestFormat(values);
  },
  async open(values, context, side) {
    const client = await context.registry();
    const reference = parseReference(values.ref);
    const repository = client.repository(reference, {
      insecure: values['registry.insecure'],
      forPush: side === 'to',
    });
    return new RegistryBackend(repository, manifestFormat(values), context.warn);
  },
});

class RegistryBackend implements CacheBackend {
  /** Of which the registry client sends fewer at once: it asks about the others meanwhile. */
  readonly parallelWrites = REGISTRY_PARALLEL_WRITES;
  readonly #repository: Repository;
  readonly #format: ManifestFormat;
  readonly #warn: BackendContext['warn'];
  /** Digests that a manifest in the repository names: a registry takes none whose blobs it lacks. */
  #named: Promise<ReadonlySet<Digest>> | undefined;

  constructor(repository: Repository, format: ManifestFormat, warn: BackendContext['warn']) {
    this.#repository = repository;
    this.#format = format;
    this.#warn = warn;
  }

  names(): Promise<readonly string[]> {
    const { tag, digest } = this.#repository.reference;
    return Promise.resolve([digest ?? tag ?? 'latest']);
  }

  async resolve(name: string, signal: AbortSignal): Promise<CacheManifest | undefined> {
    const manifest = await this.#manifest(name, signal);
    if (manifest === undefined) return undefined;
    const { descriptor, bytes } = manifest;
    const decoded = decodeManifest(bytes);
    const version = descriptor.digest;
    const { mediaType } = decoded;
    if (decoded.config === undefined) {
      const inline = await importInline(
        decoded,
        {
          provider: this,
          manifest: async ({ digest }) => (await this.#repository.manifest(digest, { signal })).bytes,
        },
        this.#warn,
        signal,
      );
      return inline === undefined
        ? undefined
        : { ...inline, blobs: this.#withOrigin(inline), mediaType, version };
    }
    const { config, layers } = decoded;
    const text = await collect(verified(this.read(config, { signal }), config), MAX_CONFIG_BYTES);
    const found = {
      config: parseCacheConfig(text),
      blobs: byDigest(layers),
      provider: this,
      mediaType,
      version,
    };
    return { ...found, blobs: this.#withOrigin(found) };
  }

  /** Notes where the blobs are, so that a push to the same registry mounts them. */
  #withOrigin({ blobs }: Pick<CacheManifest, 'blobs'>): Map<Digest, Descriptor> {
    const { origin } = this.#repository;
    return new Map([...blobs].map(([digest, blob]) => [digest, withOrigin(blob, origin)]));
  }

  read(blob: Descriptor, options?: { range?: ByteRange; signal?: AbortSignal }): AsyncIterable<Uint8Array> {
    return this.#repository.read(blob, options);
  }

  async unchanged(cache: ExportedCache, name: string, signal: AbortSignal): Promise<Published | undefined> {
    const encoded = encodeCache(cache, this.#format);
    const there = await this.#repository.resolve(name, { signal });
    if (there === undefined) this.#named = Promise.resolve(new Set());
    return there?.digest === encoded.manifest.descriptor.digest ? published(encoded, 'unchanged') : undefined;
  }

  async has(blobs: readonly Descriptor[], signal: AbortSignal): Promise<ReadonlySet<Digest>> {
    // What the manifest lacks is asked for when it is written: a HEAD for each.
    const named = await (this.#named ??= this.#namedBlobs(signal));
    return new Set(blobs.map(({ digest }) => digest).filter((digest) => named.has(digest)));
  }

  async #namedBlobs(signal: AbortSignal): Promise<ReadonlySet<Digest>> {
    const [name = 'latest'] = await this.names();
    try {
      const manifest = await this.#manifest(name, signal);
      if (manifest === undefined) return new Set();
      const { layers } = decodeManifest(manifest.bytes);
      return new Set(layers.map(({ digest }) => digest));
    } catch (error) {
      // Only a shortcut: what is wrong will be seen again where it matters.
      if (signal.aborted || !(error instanceof CairnError)) throw error;
      return new Set();
    }
  }

  async write(blob: Descriptor, source: BlobProvider, { signal, onProgress }: WriteOptions): Promise<void> {
    // Whether the repository still has what came from it was decided by has().
    const from = originsOf(blob).filter(
      ({ repository }) => repository !== this.#repository.origin.repository,
    );
    await this.#repository.pushBlob(blob, source, {
      signal,
      from,
      ...(onProgress === undefined ? {} : { onProgress }),
    });
  }

  async publish(
    cache: ExportedCache,
    name: string,
    { expected, signal }: { expected?: { version: string | undefined }; signal: AbortSignal },
  ): Promise<Published> {
    const encoded = encodeCache(cache, this.#format);
    const { config, manifest } = encoded;
    const { digest, mediaType } = manifest.descriptor;
    if (expected?.version === digest) return published(encoded, 'unchanged');
    // Another manifest is there, or none: its config is another one, too.
    const options = { signal, likelyNew: true };
    await this.#repository.pushBlob(config.descriptor, memoryProvider(config.bytes), options);
    // Registries know no conditional writes: another writer may come between the look and the write.
    const looked = performance.now();
    const there = async (): Promise<Digest | undefined> =>
      (await this.#repository.resolve(name, { signal }))?.digest;
    if (expected !== undefined && (await there()) !== expected.version) return { status: 'conflict' };
    await this.#repository.pushManifest(name, manifest.bytes, mediaType, { signal });
    if (expected === undefined) return published(encoded, 'written');
    // One that looked before we wrote writes in about the time that it took us, and then ours is gone.
    const took = performance.now() - looked;
    await pause(Math.min(MAX_LOOK_AGAIN_MS, Math.max(MIN_LOOK_AGAIN_MS, LOOK_AGAIN_FACTOR * took)), signal);
    const last = await there().catch(() => undefined);
    signal.throwIfAborted();
    // A registry that answers with what was there before is late, and one that does not answer has our manifest.
    const ours = [digest, expected.version, undefined].includes(last);
    return ours ? published(encoded, 'written') : { status: 'conflict' };
  }

  async #manifest(name: string, signal: AbortSignal): Promise<Manifest | undefined> {
    try {
      return await this.#repository.manifest(name, { signal });
    } catch (error) {
      // The first build has no cache of a name; a digest was copied from somewhere.
      const expected = this.#repository.reference.digest === undefined;
      if (expected && error instanceof CairnError && error.code === 'NOT_FOUND') return undefined;
      throw error;
    }
  }
}
