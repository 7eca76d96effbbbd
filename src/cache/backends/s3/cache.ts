/**
 * Caches in S3 as BuildKit lays them out (cache/remotecache/s3, v0.32.2): `PREFIX blobs/ DIGEST`, and
 * `PREFIX manifests/ NAME` with the config, whose layers say by themselves what their blobs are.
 */
import { createHash } from 'node:crypto';
import type { BlobProvider, ByteRange, Descriptor, Digest } from '../../../content/contract.ts';
import { digestOf } from '../../../content/digest.ts';
import { collect } from '../../../content/verify.ts';
import { CairnError } from '../../../errors/error.ts';
import type { CacheManifest, ExportedCache } from '../../contract.ts';
import { decodeAnnotatedConfig, encodeAnnotatedConfig } from '../config_format.ts';
import type { CacheBackend, Published, WriteOptions } from '../contract.ts';
import { MAX_CONFIG_BYTES, S3_PARALLEL_PARTS, S3_SINGLE_PUT_BYTES } from '../limits.ts';
import { PartSlots } from '../part_slots.ts';
import { readWhole, resumedRead, type OpenObject } from '../resumed_read.ts';
import { findObjects } from '../stored_objects.ts';
import type { Bucket, WriteCondition } from './bucket.ts';
import { unlessDenied } from '../service_error.ts';

export interface S3Layout {
  /** Put right before a digest. */
  blobsPrefix: string;
  /** Put right before a name. */
  manifestsPrefix: string;
  names: readonly string[];
}

export interface S3CacheOptions extends S3Layout {
  /** Age in milliseconds from which objects that are used again are made new. */
  touchRefresh: number;
  parallelWrites: number;
}

export class S3Cache implements CacheBackend {
  readonly parallelWrites: number;
  readonly blobsMayExpire = true;
  readonly #bucket: Bucket;
  readonly #options: S3CacheOptions;
  readonly #slots = new PartSlots(S3_PARALLEL_PARTS);
  /** Blobs that are there and about to expire. */
  readonly #old = new Set<Digest>();
  /** Names of manifests that were seen to be others than what is exported. */
  readonly #different = new Set<string>();

  constructor(bucket: Bucket, options: S3CacheOptions) {
    this.#bucket = bucket;
    this.#options = options;
    this.parallelWrites = options.parallelWrites;
  }

  names(): Promise<readonly string[]> {
    return Promise.resolve(this.#options.names);
  }

  async resolve(name: string, signal: AbortSignal): Promise<CacheManifest | undefined> {
    const key = this.#manifestKey(name);
    const found = await this.#readWhole(key, signal);
    return found === undefined ? undefined : decodeAnnotatedConfig(found.bytes, this, found.etag);
  }

  read(
    blob: Descriptor,
    { range, signal }: { range?: ByteRange; signal?: AbortSignal } = {},
  ): AsyncIterable<Uint8Array> {
    const key = this.#blobKey(blob.digest);
    const end = range?.end ?? blob.size;
    return resumedRead({
      name: this.#bucket.url(key),
      start: range?.start ?? 0,
      end,
      signal,
      open: async (start) => {
        const part = start === 0 && end === blob.size ? undefined : { start, end };
        const object = await this.#bucket.get(key, signal, part);
        if (object === undefined)
          throw new CairnError(`${this.#bucket.url(key)} is not there`, { code: 'NOT_FOUND' });
        return object.body;
      },
    });
  }

  async has(blobs: readonly Descriptor[], signal: AbortSignal): Promise<ReadonlySet<Digest>> {
    const byKey = new Map(blobs.map((blob) => [this.#blobKey(blob.digest), blob]));
    const found = await findObjects([...byKey.keys()], {
      list: (from) => unlessDenied(this.#bucket.list(this.#options.blobsPrefix, from, signal)),
      // Who may not list is told that what is not there is forbidden.
      head: (key) => unlessDenied(this.#bucket.head(key, signal)),
    });
    const there = new Set<Digest>();
    for (const [key, { size, modified }] of found) {
      const blob = byKey.get(key);
      if (blob?.size !== size) continue;
      if (this.#isOld(modified)) this.#old.add(blob.digest);
      else there.add(blob.digest);
    }
    return there;
  }

  /** A blob that is there and about to expire is made new. */
  async write(blob: Descriptor, source: BlobProvider, { signal, onProgress }: WriteOptions): Promise<void> {
    const key = this.#blobKey(blob.digest);
    if (this.#old.delete(blob.digest) && (await this.#bucket.touch(key, blob.size, signal))) return;
    const bytes = source.read(blob, { signal });
    if (blob.size > S3_SINGLE_PUT_BYTES) {
      const options = { slots: this.#slots, signal, ...(onProgress === undefined ? {} : { onProgress }) };
      await this.#bucket.putInParts(key, bytes, blob.size, options);
    } else {
      await this.#bucket.put(key, await collect(bytes, S3_SINGLE_PUT_BYTES), signal);
      onProgress?.(blob.size);
    }
  }

  async unchanged(cache: ExportedCache, name: string, signal: AbortSignal): Promise<Published | undefined> {
    const bytes = encodeAnnotatedConfig(cache);
    const same = await this.#isThere(name, bytes, await this.#head(name, signal), signal);
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
    if (expected !== undefined || !this.#different.delete(name)) {
      const there = await this.#head(name, signal);
      if (await this.#isThere(name, bytes, there, signal)) return { status: 'unchanged', ...published };
      if (expected !== undefined && there?.etag !== expected.version) return { status: 'conflict' };
    }
    const etag = await this.#bucket.put(this.#manifestKey(name), bytes, signal, conditionOf(expected));
    return etag === undefined ? { status: 'conflict' } : { status: 'written', ...published };
  }

  #head(name: string, signal: AbortSignal): ReturnType<Bucket['head']> {
    // Who may not list is told that what is not there is forbidden.
    return unlessDenied(this.#bucket.head(this.#manifestKey(name), signal));
  }

  /** Whether a manifest is these bytes, and not about to expire. */
  async #isThere(
    name: string,
    bytes: Uint8Array,
    there: Awaited<ReturnType<Bucket['head']>>,
    signal: AbortSignal,
  ): Promise<boolean> {
    if (there?.size !== bytes.length || this.#isOld(there.modified)) return false;
    return this.#isSame(this.#manifestKey(name), there.etag, bytes, signal);
  }

  #manifestKey(name: string): string {
    return this.#options.manifestsPrefix + name;
  }

  #blobKey(digest: Digest): string {
    return this.#options.blobsPrefix + digest;
  }

  #isOld(modified: Date): boolean {
    return Date.now() - modified.getTime() > this.#options.touchRefresh;
  }

  /** The ETag of an object is its MD5, unless the service encrypts it with a key of its own. */
  async #isSame(key: string, etag: string, bytes: Uint8Array, signal: AbortSignal): Promise<boolean> {
    if (etag === `"${createHash('md5').update(bytes).digest('hex')}"`) return true;
    const found = await this.#readWhole(key, signal);
    return found?.bytes.equals(bytes) === true;
  }

  #readWhole(key: string, signal: AbortSignal): ReturnType<typeof readWhole> {
    const open = (): Promise<OpenObject | undefined> => this.#bucket.get(key, signal);
    return readWhole(this.#bucket.url(key), open, { limit: MAX_CONFIG_BYTES, signal });
  }
}

function conditionOf(expected: { version: string | undefined } | undefined): WriteCondition {
  if (expected === undefined) return undefined;
  return expected.version === undefined ? { IfNoneMatch: '*' } : { IfMatch: expected.version };
}
