/** The backend over a cache service: blobs as entries that never change, and an index with a number that counts up. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BlobProvider, ByteRange, Descriptor, Digest } from '../../../content/contract.ts';
import { digestOf } from '../../../content/digest.ts';
import { collect } from '../../../content/verify.ts';
import { CairnError } from '../../../errors/error.ts';
import type { CacheManifest, ExportedCache } from '../../contract.ts';
import { withoutBlobs } from '../../unite.ts';
import { decodeAnnotatedConfig, encodeAnnotatedConfig } from '../config_format.ts';
import type { CacheBackend, Published, WriteOptions } from '../contract.ts';
import { MAX_CONFIG_BYTES, PARALLEL_QUESTIONS } from '../limits.ts';
import { memoryProvider } from '../manifest_format.ts';
import type { Caller } from './calls.ts';
import { download } from './download.ts';
import { blobKey, numberedKey, numberOf } from './keys.ts';
import { MAX_INDEX_NUMBERS, type Waits } from './limits.ts';
import type { CacheService, FoundEntry } from './service.ts';
import { UploadSource } from './upload_source.ts';

export interface GhaOptions {
  caller: Caller;
  service: CacheService;
  /** Indexes that are imported, or the one that is published. */
  names: readonly string[];
  /** Indexes that may name blobs which are there already. */
  related: readonly string[];
  /** All keys of blobs that there are; absent: nobody can tell. */
  list?: (signal: AbortSignal) => Promise<ReadonlySet<string>>;
  waits: Waits;
  warn(message: string): void;
}

/** An index as it was when we last looked. */
interface KnownIndex {
  key: string;
  /** Undefined: it could not be read. */
  bytes: Uint8Array | undefined;
}

export class GhaBackend implements CacheBackend {
  readonly blobsMayExpire = true;
  readonly #options: GhaOptions;
  /** Entries that were found, with URLs that may have expired. */
  readonly #entries = new Map<string, FoundEntry>();
  /** By name; undefined: there is none. */
  readonly #indexes = new Map<string, KnownIndex | undefined>();
  /** Blobs whose keys somebody else has reserved and not yet filled. */
  readonly #contested = new Set<Digest>();
  /** Those that we have waited for in vain. */
  readonly #lost = new Set<Digest>();

  constructor(options: GhaOptions) {
    this.#options = options;
  }

  names(): Promise<readonly string[]> {
    return Promise.resolve(this.#options.names);
  }

  async resolve(name: string, signal: AbortSignal): Promise<CacheManifest | undefined> {
    const entry = await this.#newest(name, signal);
    this.#indexes.set(name, entry && { key: entry.key, bytes: undefined });
    if (entry === undefined) return undefined;
    const bytes = await this.#readIndex(entry, signal);
    if (bytes === undefined) return undefined;
    this.#indexes.set(name, { key: entry.key, bytes });
    return decodeAnnotatedConfig(bytes, this, entry.key);
  }

  /** `name#` leaves out the indexes of caches that BuildKit signs: they have their own names. */
  async #newest(name: string, signal: AbortSignal): Promise<FoundEntry | undefined> {
    const entry = await this.#options.service.find(`${name}#`, signal);
    return entry === undefined || numberOf(name, entry.key) === undefined ? undefined : entry;
  }

  /** Undefined: it was evicted just now. */
  async #readIndex(entry: FoundEntry, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const bytes = download(this.#options.caller, {
      key: entry.key,
      url: async (renew) => (renew ? await this.#find(entry.key, signal) : entry).url,
      signal,
    });
    try {
      return await collect(bytes, MAX_CONFIG_BYTES);
    } catch (error) {
      if (error instanceof CairnError && error.code === 'NOT_FOUND') return undefined;
      throw error;
    }
  }

  /** @throws CairnError NOT_FOUND */
  async #find(key: string, signal: AbortSignal | undefined): Promise<FoundEntry> {
    const entry = await this.#options.service.find(key, signal);
    if (entry?.key !== key) {
      this.#entries.delete(key);
      throw new CairnError(`${key} is not in GitHub's cache any more`, { code: 'NOT_FOUND' });
    }
    this.#entries.set(key, entry);
    return entry;
  }

  read(
    blob: Descriptor,
    { range, signal }: { range?: ByteRange; signal?: AbortSignal } = {},
  ): AsyncIterable<Uint8Array> {
    const key = blobKey(blob.digest);
    return download(this.#options.caller, {
      key,
      url: async (renew) => {
        const known = renew ? undefined : this.#entries.get(key);
        return (known ?? (await this.#find(key, signal))).url;
      },
      size: blob.size,
      range,
      signal,
    });
  }

  async has(blobs: readonly Descriptor[], signal: AbortSignal): Promise<ReadonlySet<Digest>> {
    const digests = blobs.map(({ digest }) => digest);
    const listed = await this.#listed(signal);
    if (listed !== undefined) return new Set(digests.filter((digest) => listed.has(blobKey(digest))));
    // What no index names is most likely not there, and reserving its key tells so for the same price.
    const named = await this.#named(signal);
    const questions = new Set(digests.filter((digest) => named.has(digest))).values();
    const found = new Set<Digest>();
    const ask = async (): Promise<void> => {
      for (const digest of questions) {
        // What was there a moment ago is not evicted first.
        const known = this.#entries.has(blobKey(digest));
        if (known || (await this.#exists(digest, signal))) found.add(digest);
      }
    };
    await Promise.all(Array.from({ length: PARALLEL_QUESTIONS }, ask));
    return found;
  }

  async #exists(digest: Digest, signal: AbortSignal): Promise<boolean> {
    const key = blobKey(digest);
    const entry = await this.#options.service.find(key, signal);
    if (entry?.key !== key) return false;
    this.#entries.set(key, entry);
    return true;
  }

  async #listed(signal: AbortSignal): Promise<ReadonlySet<string> | undefined> {
    const { list } = this.#options;
    if (list === undefined) return undefined;
    return leniently(
      signal,
      () => list(signal),
      ({ message }) =>
        this.#options.warn(`the repository's entries cannot be listed, each is asked for: ${message}`),
    );
  }

  /** Blobs that the indexes name which this job can see. */
  async #named(signal: AbortSignal): Promise<ReadonlySet<Digest>> {
    const found = await Promise.all(
      this.#options.related.map((name) =>
        leniently(signal, async () => {
          const known = this.#indexes.get(name);
          if (known?.bytes !== undefined) return decodeAnnotatedConfig(known.bytes, this);
          return this.#indexes.has(name) ? undefined : await this.resolve(name, signal);
        }),
      ),
    );
    return new Set(found.flatMap((manifest) => [...(manifest?.blobs.keys() ?? [])]));
  }

  async write(blob: Descriptor, source: BlobProvider, { signal, onProgress }: WriteOptions): Promise<void> {
    const { service } = this.#options;
    const upload = new UploadSource(blob, source, signal, onProgress);
    await upload.begin();
    try {
      const reservation = await service.reserve(blobKey(blob.digest), signal);
      if (reservation !== undefined) await service.fill(reservation, upload, signal);
      else if (!(await this.#exists(blob.digest, signal))) this.#contested.add(blob.digest);
    } finally {
      await upload.abandon();
    }
  }

  async publish(
    cache: ExportedCache,
    name: string,
    { expected, signal }: { expected?: { version: string | undefined }; signal: AbortSignal },
  ): Promise<Published> {
    const lost = await this.#unfilled(signal);
    const bytes = encodeAnnotatedConfig(lost.size === 0 ? cache : withoutBlobs(cache, lost));
    const digest = digestOf(bytes);
    const result = { digest, size: bytes.length };
    if (!this.#indexes.has(name)) await leniently(signal, () => this.resolve(name, signal));
    const known = this.#indexes.get(name);
    let newest = known?.key;
    if (expected !== undefined) {
      newest = (await this.#newest(name, signal))?.key;
      const seen = newest === known?.key && known?.bytes === undefined ? undefined : newest;
      if (seen !== expected.version) return { status: 'conflict' };
    }
    if (known?.bytes !== undefined && known.key === newest && digestOf(known.bytes) === digest)
      return { status: 'unchanged', ...result };

    const { service } = this.#options;
    let number = newest === undefined ? 0 : (numberOf(name, newest) ?? 0);
    for (let tries = 0; tries < MAX_INDEX_NUMBERS; tries++) {
      number += 1;
      const key = numberedKey(name, number);
      const reservation = await service.reserve(key, signal);
      if (reservation !== undefined) {
        const descriptor = { mediaType: '', digest, size: bytes.length };
        await service.fill(reservation, new UploadSource(descriptor, memoryProvider(bytes), signal), signal);
        this.#indexes.set(name, { key, bytes });
        return { status: 'written', ...result };
      }
      if (expected === undefined) {
        const there = (await this.#newest(name, signal))?.key;
        number = Math.max(number, there === undefined ? 0 : (numberOf(name, there) ?? 0));
      } else if (await this.#overtaken(name, newest, signal)) {
        return { status: 'conflict' };
      }
    }
    throw new CairnError(`GitHub's cache: no number of ${name} is free up to ${number}`, {
      code: 'UNAVAILABLE',
    });
  }

  /** Whether who has reserved the next number publishes within a while; else they have died. */
  async #overtaken(name: string, newest: string | undefined, signal: AbortSignal): Promise<boolean> {
    const { index, poll } = this.#options.waits;
    const changed = async (): Promise<boolean> => (await this.#newest(name, signal))?.key !== newest;
    return becomesTrue(changed, index, poll, signal);
  }

  /** Blobs that we need and that whoever is uploading them has not completed. Waits for them for a while. */
  async #unfilled(signal: AbortSignal): Promise<ReadonlySet<Digest>> {
    const { blobs, poll } = this.#options.waits;
    const filled = async (): Promise<boolean> => {
      for (const digest of this.#contested) {
        if (await this.#exists(digest, signal)) this.#contested.delete(digest);
      }
      return this.#contested.size === 0;
    };
    if (await becomesTrue(filled, blobs, poll, signal)) return this.#lost;
    const [first = ''] = this.#contested;
    this.#options.warn(
      `layers (${this.#contested.size}, one is ${first}) are reserved by an upload that does not end, and left out`,
    );
    for (const digest of this.#contested) this.#lost.add(digest);
    this.#contested.clear();
    return this.#lost;
  }
}

/** Asks again and again, with growing pauses; false: the time is up. Times in milliseconds. */
async function becomesTrue(
  ask: () => Promise<boolean>,
  limit: number,
  longest: number,
  signal: AbortSignal,
): Promise<boolean> {
  const end = performance.now() + limit;
  for (let pause = longest / 8; !(await ask()); pause = Math.min(longest, pause * 2)) {
    if (performance.now() + pause > end) return false;
    await sleep(pause, undefined, { signal }).catch(() => {
      throw signal.reason;
    });
  }
  return true;
}

/** For what is only a shortcut: a failure means that the long way is taken. */
async function leniently<T>(
  signal: AbortSignal,
  work: () => Promise<T>,
  failed?: (error: CairnError) => void,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (signal.aborted || !(error instanceof CairnError)) throw error;
    failed?.(error);
    return undefined;
  }
}
