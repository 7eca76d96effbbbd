/** `type=local`: caches in an OCI layout on the client (BuildKit cache/remotecache/local and client/solve.go, v0.32.2). */
import { isAbsolute } from 'node:path';
import type { BlobProvider, ByteRange, Descriptor, Digest } from '../../content/contract.ts';
import { collect, verified } from '../../content/verify.ts';
import { CairnError } from '../../errors/error.ts';
import type { CacheManifest, ExportedCache } from '../contract.ts';
import { MANIFEST_PARAMETERS, manifestFormat, type ManifestFormat } from './shared_parameters.ts';
import { parseCacheConfig } from './config_format.ts';
import { defineBackend, type CacheBackend, type Published, type WriteOptions } from './contract.ts';
import { MAX_CONFIG_BYTES, MAX_MANIFEST_BYTES } from './limits.ts';
import { Layout, type Writing } from './layout.ts';
import { byDigest, decodeManifest, encodeCache, memoryProvider, published } from './manifest_format.ts';

const DEFAULT_TAG = 'latest';

export const backend = defineBackend({
  type: 'local',
  exportName: 'exporting cache to client directory',
  limitedByBuildKit: true,
  parameters: {
    dest: {
      kind: 'text',
      side: 'to',
      empty: false,
      doc: 'The directory to write to; made when it is not there.',
    },
    src: { kind: 'text', side: 'from', empty: false, doc: 'The directory to read from.' },
    tag: {
      kind: 'text',
      side: 'both',
      default: DEFAULT_TAG,
      empty: false,
      doc: 'The name of the cache in the directory’s index.json.',
    },
    digest: {
      kind: 'digest',
      side: 'from',
      doc: 'The digest of the cache’s manifest, instead of a tag.',
    },
    reset: {
      kind: 'bool',
      side: 'to',
      default: false,
      doc: 'Afterwards removes blobs that nothing in index.json leads to.',
    },
    ...MANIFEST_PARAMETERS,
  },
  target({ dest, src, tag, digest }) {
    const path = dest ?? src ?? '';
    if (digest !== undefined) return `${path}@${digest}`;
    return tag === DEFAULT_TAG ? path : `${path}:${tag}`;
  },
  check(values, side) {
    const wanted = side === 'to' ? 'dest' : 'src';
    if (values[wanted] === undefined)
      throw new CairnError(`local cache ${side === 'to' ? 'exporter' : 'importer'} requires ${wanted}`, {
        code: 'USAGE',
      });
    manifestFormat(values);
  },
  async open(values, context) {
    const path = context.directory(values.dest ?? values.src ?? '');
    if (!isAbsolute(path)) throw new Error(`${path} is not absolute`);
    const { tag, digest, reset } = values;
    await Promise.resolve();
    return new LocalBackend(new Layout(path), { tag, digest, reset, format: manifestFormat(values) });
  },
});

interface LocalOptions {
  tag: string;
  /** Instead of the tag. */
  digest: Digest | undefined;
  reset: boolean;
  format: ManifestFormat;
}

class LocalBackend implements CacheBackend {
  /** Anybody may remove or change files. */
  readonly blobsMayExpire = true;
  readonly #layout: Layout;
  readonly #tag: string;
  readonly #digest: Digest | undefined;
  readonly #reset: boolean;
  readonly #format: ManifestFormat;
  #writing: Promise<Writing> | undefined;

  constructor(layout: Layout, options: LocalOptions) {
    this.#layout = layout;
    this.#tag = options.tag;
    this.#digest = options.digest;
    this.#reset = options.reset;
    this.#format = options.format;
  }

  names(): Promise<readonly string[]> {
    return Promise.resolve([this.#digest ?? this.#tag]);
  }

  async resolve(name: string): Promise<CacheManifest | undefined> {
    const digest = this.#digest;
    // A name may have colons, too: containerd's are whole references.
    const found = digest === undefined ? this.#layout.tagged(name) : this.#layout.blob(digest);
    // The first build has no cache of a name; a digest was copied from somewhere.
    if (found === undefined && digest !== undefined)
      throw new CairnError(`there is no manifest ${digest}`, { code: 'NOT_FOUND' });
    if (found === undefined) return undefined;
    const bytes = await collect(verified(this.read(found), found), MAX_MANIFEST_BYTES);
    const { config, layers, mediaType } = decodeManifest(bytes);
    if (config === undefined)
      throw new CairnError(`manifest ${found.digest} is not that of a cache`, { code: 'CORRUPT' });
    const text = await collect(verified(this.read(config), config), MAX_CONFIG_BYTES);
    return {
      config: parseCacheConfig(text),
      blobs: byDigest(layers),
      provider: this,
      mediaType,
      version: found.digest,
    };
  }

  read(blob: Descriptor, options?: { range?: ByteRange }): AsyncIterable<Uint8Array> {
    return this.#layout.read(blob, options?.range);
  }

  async unchanged(cache: ExportedCache, name: string, signal: AbortSignal): Promise<Published | undefined> {
    const encoded = encodeCache(cache, this.#format);
    const { digest } = encoded.manifest.descriptor;
    if (this.#layout.tagged(name)?.digest !== digest) return undefined;
    const blobs = [...cache.blobs.values()].map(({ descriptor }) => descriptor);
    const all = [encoded.manifest.descriptor, encoded.config.descriptor, ...blobs];
    const there = await this.has(all, signal);
    return all.every((blob) => there.has(blob.digest)) ? published(encoded, 'unchanged') : undefined;
  }

  async has(blobs: readonly Descriptor[], signal: AbortSignal): Promise<ReadonlySet<Digest>> {
    await this.#begin(signal);
    const there = new Set<Digest>();
    for (const blob of blobs) if (await this.#layout.has(blob, signal)) there.add(blob.digest);
    return there;
  }

  async write(blob: Descriptor, source: BlobProvider, { signal, onProgress }: WriteOptions): Promise<void> {
    await this.#begin(signal);
    await this.#layout.write(blob, source, signal, onProgress);
  }

  async publish(
    cache: ExportedCache,
    name: string,
    { expected, signal }: { expected?: { version: string | undefined }; signal: AbortSignal },
  ): Promise<Published> {
    const encoded = encodeCache(cache, this.#format);
    await this.#begin(signal);
    for (const { descriptor, bytes } of [encoded.config, encoded.manifest]) {
      await this.#layout.write(descriptor, memoryProvider(bytes), signal);
    }
    return this.#layout.update(signal, (index) => {
      const there = index.tagged(name)?.digest;
      if (expected !== undefined && there !== expected.version) return { status: 'conflict' };
      if (there === encoded.manifest.descriptor.digest) return published(encoded, 'unchanged');
      index.put(encoded.manifest.descriptor, name);
      return published(encoded, 'written');
    });
  }

  async finish(signal: AbortSignal): Promise<void> {
    const writing = await this.#writing;
    this.#writing = undefined;
    writing?.end();
    if (this.#reset) await this.#layout.reset(signal);
  }

  /** From here on nobody's reset removes what is written or was found. */
  #begin(signal: AbortSignal): Promise<Writing> {
    return (this.#writing ??= this.#layout.beginWriting(signal));
  }
}
