/**
 * Caches in Azure as BuildKit lays them out (cache/remotecache/azblob, v0.32.2): `PREFIX/blobs/DIGEST`, and
 * `PREFIX/manifests/NAME` with the config, whose layers say by themselves what their blobs are.
 */
import { createHash } from 'node:crypto';
import type { BlobProvider, ByteRange, Descriptor, Digest } from '../../../content/contract.ts';
import { digestOf } from '../../../content/digest.ts';
import { collect } from '../../../content/verify.ts';
import { CairnError } from '../../../errors/error.ts';
import type { CacheManifest, ExportedCache } from '../../contract.ts';
import { decodeAnnotatedConfig, encodeAnnotatedConfig } from '../config_format.ts';
import type { CacheBackend, Published, WriteOptions } from '../contract.ts';
import { AZURE_BLOCK_BYTES, AZURE_PARALLEL_BLOCKS, MAX_CONFIG_BYTES } from '../limits.ts';
import { PartSlots } from '../part_slots.ts';
import { readWhole, resumedRead, type OpenObject } from '../resumed_read.ts';
import { findObjects } from '../stored_objects.ts';
import type { Container, StoredBlob } from './container.ts';
import { unlessDenied } from '../service_error.ts';
import { isContainerMissing } from './error.ts';

export interface AzureLayout {
  /** What the names of all blobs begin with. */
  blobs: string;
  blob(digest: Digest): string;
  manifest(name: string): string;
  names: readonly string[];
}

const IF_ABSENT = { ifNoneMatch: '*' } as const;

export class AzureCache implements CacheBackend {
  readonly blobsMayExpire = true;
  readonly #container: Container;
  readonly #layout: AzureLayout;
  readonly #slots = new PartSlots(AZURE_PARALLEL_BLOCKS);
  /** Blobs that are there with another size. */
  readonly #damaged = new Set<Digest>();
  /** Names of manifests that were seen to be others than what is exported. */
  readonly #different = new Set<string>();

  constructor(container: Container, layout: AzureLayout) {
    this.#container = container;
    this.#layout = layout;
  }

  names(): Promise<readonly string[]> {
    return Promise.resolve(this.#layout.names);
  }

  async resolve(name: string, signal: AbortSignal): Promise<CacheManifest | undefined> {
    const found = await this.#readWhole(this.#layout.manifest(name), signal);
    return found === undefined ? undefined : decodeAnnotatedConfig(found.bytes, this, found.etag);
  }

  read(
    blob: Descriptor,
    { range, signal }: { range?: ByteRange; signal?: AbortSignal } = {},
  ): AsyncIterable<Uint8Array> {
    const name = this.#layout.blob(blob.digest);
    const url = this.#container.url(name);
    const end = range?.end ?? blob.size;
    return resumedRead({
      name: url,
      start: range?.start ?? 0,
      end,
      signal,
      open: async (start) => {
        const part = start === 0 && end === blob.size ? {} : { start, end };
        const answer = await this.#container.get(name, signal, part);
        if (answer === undefined) throw new CairnError(`${url} is not there`, { code: 'NOT_FOUND' });
        return answer.body;
      },
    });
  }

  /** Makes the container when it is not there. */
  async has(blobs: readonly Descriptor[], signal: AbortSignal): Promise<ReadonlySet<Digest>> {
    const byName = new Map(blobs.map((blob) => [this.#layout.blob(blob.digest), blob]));
    const there = new Set<Digest>();
    // Signatures may allow to read and write, but not to list.
    const page = this.#container.listing(this.#layout.blobs, signal);
    try {
      const found = await findObjects([...byName.keys()], {
        list: () => unlessDenied(page()),
        head: (name) => unlessDenied(this.#container.head(name, signal)),
      });
      for (const [name, { size }] of found) {
        const blob = byName.get(name);
        if (blob === undefined) continue;
        if (blob.size === size) there.add(blob.digest);
        else this.#damaged.add(blob.digest);
      }
    } catch (error) {
      if (!isContainerMissing(error)) throw error;
      await this.#container.make(signal);
    }
    return there;
  }

  async write(blob: Descriptor, source: BlobProvider, { signal, onProgress }: WriteOptions): Promise<void> {
    const name = this.#layout.blob(blob.digest);
    const conditions = this.#damaged.has(blob.digest) ? {} : IF_ABSENT;
    const bytes = source.read(blob, { signal });
    const options = { conditions, ...(onProgress === undefined ? {} : { onProgress }) };
    if (blob.size > AZURE_BLOCK_BYTES) {
      await this.#container.putInBlocks(name, bytes, blob.size, { slots: this.#slots, signal, ...options });
      return;
    }
    await this.#slots.acquire();
    try {
      await this.#container.put(name, await collect(bytes, AZURE_BLOCK_BYTES), signal, options);
    } finally {
      this.#slots.release();
    }
  }

  async unchanged(cache: ExportedCache, name: string, signal: AbortSignal): Promise<Published | undefined> {
    const bytes = encodeAnnotatedConfig(cache);
    const same = await this.#isThere(name, bytes, signal);
    if (!same) this.#different.add(name);
    return same ? { status: 'unchanged', digest: digestOf(bytes) } : undefined;
  }

  async publish(
    cache: ExportedCache,
    name: string,
    { expected, signal }: { expected?: { version: string | undefined }; signal: AbortSignal },
  ): Promise<Published> {
    const bytes = encodeAnnotatedConfig(cache);
    const published = { digest: digestOf(bytes) };
    const different = this.#different.delete(name) && expected === undefined;
    if (!different && (await this.#isThere(name, bytes, signal)))
      return { status: 'unchanged', ...published };
    const conditions =
      expected === undefined
        ? {}
        : expected.version === undefined
          ? IF_ABSENT
          : { ifMatch: expected.version };
    const etag = await this.#container.put(this.#layout.manifest(name), bytes, signal, { conditions });
    return etag === undefined ? { status: 'conflict' } : { status: 'written', ...published };
  }

  async #isThere(name: string, bytes: Uint8Array, signal: AbortSignal): Promise<boolean> {
    const blob = this.#layout.manifest(name);
    try {
      const there = await this.#container.head(blob, signal);
      return there !== undefined && (await this.#isSame(blob, there, bytes, signal));
    } catch (error) {
      if (isContainerMissing(error)) return false;
      throw error;
    }
  }

  async #isSame(
    name: string,
    { size, md5 }: StoredBlob,
    bytes: Uint8Array,
    signal: AbortSignal,
  ): Promise<boolean> {
    if (size !== bytes.length) return false;
    if (md5 !== undefined) return createHash('md5').update(bytes).digest().equals(md5);
    return (await this.#readWhole(name, signal))?.bytes.equals(bytes) === true;
  }

  #readWhole(name: string, signal: AbortSignal): ReturnType<typeof readWhole> {
    const open = (): Promise<OpenObject | undefined> => this.#container.get(name, signal);
    return readWhole(this.#container.url(name), open, { limit: MAX_CONFIG_BYTES, signal });
  }
}
