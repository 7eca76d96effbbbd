/** The requests to Azure that caches need, on blobs of one container. */
import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import type { BlobRequestConditions, ContainerClient } from '@azure/storage-blob';
import { CairnError } from '../../../errors/error.ts';
import { AZURE_BLOCK_BYTES, AZURE_MAX_BLOCKS, OBJECT_IDLE_TIMEOUT_MS } from '../limits.ts';
import { sendParts, type PartSlots } from '../part_slots.ts';
import type { OpenObject } from '../resumed_read.ts';
import { retrying } from '../retry.ts';
import type { ListedPage, StoredObject } from '../stored_objects.ts';
import { ServiceError } from '../service_error.ts';
import { azureError, isContainerMissing, isMissing } from './error.ts';

export interface StoredBlob extends StoredObject {
  etag: string;
  /** Of blobs that were written in one request. */
  md5: Uint8Array | undefined;
}

/** Requests without an answer, each as long as OBJECT_IDLE_TIMEOUT_MS, after which no more is tried. */
const MAX_SILENCES = 2;
/** Names that a listing gives at once; the service gives no more. */
const PAGE_SIZE = 5000;

/** @throws ServiceError, PassingError from every method; what the signal says when it has fired */
export class Container {
  readonly #client: ContainerClient;
  #made: Promise<void> | undefined;

  constructor(client: ContainerClient) {
    this.#client = client;
  }

  /** For messages: without a signature that may be part of it. */
  url(name = ''): string {
    const { origin, pathname } = new URL(this.#client.url);
    return `${origin}${pathname}/${name}`;
  }

  /** Makes the container, once. */
  make(signal: AbortSignal): Promise<void> {
    this.#made ??= this.#request(`make container ${this.url()}`, signal, async (abortSignal) => {
      await this.#client.createIfNotExists({ abortSignal });
    });
    return this.#made;
  }

  /** Bytes from `start` on. @returns undefined: no such blob */
  async get(
    name: string,
    signal: AbortSignal | undefined,
    { start = 0, end }: { start?: number; end?: number } = {},
  ): Promise<OpenObject | undefined> {
    const doing = `read ${this.url(name)}`;
    try {
      const count = end === undefined ? undefined : end - start;
      const answer = await this.#request(doing, signal, (abortSignal) =>
        this.#client.getBlobClient(name).download(start, count, { abortSignal, maxRetryRequests: 0 }),
      );
      const { readableStreamBody: body, etag } = answer;
      return { body: body === undefined ? Readable.from([]) : withIdleLimit(body, doing, signal), etag };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** @returns undefined: no such blob; a container that is not there is an error */
  async head(name: string, signal: AbortSignal): Promise<StoredBlob | undefined> {
    try {
      const answer = await this.#request(`look for ${this.url(name)}`, signal, (abortSignal) =>
        this.#client.getBlobClient(name).getProperties({ abortSignal }),
      );
      const { contentLength = 0, lastModified = new Date(), etag = '', contentMD5 } = answer;
      return { size: contentLength, modified: lastModified, etag, md5: contentMD5 };
    } catch (error) {
      if (isMissing(error) && !isContainerMissing(error)) return undefined;
      throw error;
    }
  }

  /** The blobs whose names begin with `prefix`: the next page at each call. */
  listing(prefix: string, signal: AbortSignal): () => Promise<ListedPage> {
    let continuationToken: string | undefined;
    return async () => {
      const page = await this.#request(`list ${this.url(prefix)}`, signal, async (abortSignal) => {
        const where = continuationToken === undefined ? {} : { continuationToken };
        const pages = this.#client.listBlobsFlat({ prefix, abortSignal });
        return (await pages.byPage({ maxPageSize: PAGE_SIZE, ...where }).next()).value;
      });
      const objects = new Map<string, StoredObject>();
      let last = '';
      for (const { name, properties } of page?.segment.blobItems ?? []) {
        objects.set(name, { size: properties.contentLength ?? 0, modified: properties.lastModified });
        last = name;
      }
      continuationToken = page?.continuationToken === '' ? undefined : page?.continuationToken;
      return { objects, until: continuationToken === undefined ? undefined : last };
    };
  }

  /** @returns the new ETag; undefined: the condition does not hold */
  async put(
    name: string,
    bytes: Uint8Array,
    signal: AbortSignal,
    { conditions = {}, onProgress }: { conditions?: BlobRequestConditions; onProgress?: OnProgress } = {},
  ): Promise<string | undefined> {
    try {
      const blob = this.#client.getBlockBlobClient(name);
      const answer = await this.#request(`write ${this.url(name)}`, signal, (abortSignal, alive) =>
        blob.upload(asBuffer(bytes), bytes.length, {
          abortSignal,
          conditions,
          onProgress: ({ loadedBytes }) => {
            alive();
            onProgress?.(loadedBytes);
          },
        }),
      );
      return answer.etag ?? '';
    } catch (error) {
      if (isCondition(error)) return undefined;
      throw error;
    }
  }

  /**
   * Writes a blob in blocks. What a failed one leaves behind is not part of the blob, and goes after a week.
   * @returns false: the condition does not hold
   */
  async putInBlocks(
    name: string,
    bytes: AsyncIterable<Uint8Array>,
    size: number,
    options: {
      slots: PartSlots;
      signal: AbortSignal;
      conditions: BlobRequestConditions;
      onProgress?: OnProgress | undefined;
    },
  ): Promise<boolean> {
    const { slots, signal, conditions, onProgress } = options;
    const blob = this.#client.getBlockBlobClient(name);
    const doing = `write ${this.url(name)}`;
    const upload = randomUUID();
    let written = 0;
    const ids = await sendParts(bytes, size, {
      partSize: Math.max(AZURE_BLOCK_BYTES, Math.ceil(size / AZURE_MAX_BLOCKS)),
      slots,
      signal,
      send: async (part, index, either) => {
        const id = blockId(upload, index);
        await this.#request(doing, either, (abortSignal, alive) =>
          blob.stageBlock(id, asBuffer(part), part.length, { abortSignal, onProgress: alive }),
        );
        onProgress?.((written += part.length));
        return id;
      },
    });
    try {
      await this.#request(doing, signal, (abortSignal) =>
        blob.commitBlockList(ids, { abortSignal, conditions }),
      );
      return true;
    } catch (error) {
      if (isCondition(error)) return false;
      // Another writer's commit takes away the blocks that it does not name.
      const lost = error instanceof ServiceError && error.reason === 'InvalidBlockList';
      if (lost && (await this.head(name, signal))?.size === size) return false;
      throw error;
    }
  }

  /** Tries again what may pass: the client itself would not wait as long as the service asks, or without end. */
  #request<T>(
    doing: string,
    signal: AbortSignal | undefined,
    send: (abortSignal: AbortSignal, alive: () => void) => Promise<T>,
  ): Promise<T> {
    const { signal: never } = new AbortController();
    let silences = 0;
    return retrying(async () => {
      const limit = new IdleLimit();
      try {
        const either = signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal]);
        return await send(either, () => limit.alive());
      } catch (error) {
        if (limit.signal.aborted) silences += 1;
        const failure = azureError(error, doing, { signal, idle: limit.signal.aborted });
        if (silences < MAX_SILENCES) throw failure;
        throw new CairnError(failure.message, { code: failure.code, cause: error });
      } finally {
        limit.end();
      }
    }, signal ?? never);
  }
}

export type OnProgress = (bytes: number) => void;

/** Fires when nothing was said to be alive for some time. */
class IdleLimit {
  readonly #idle = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor() {
    this.alive();
  }

  get signal(): AbortSignal {
    return this.#idle.signal;
  }

  alive(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#idle.abort(), OBJECT_IDLE_TIMEOUT_MS);
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}

/** A connection that is silent for too long is cut; the time that the reader takes is not counted. */
async function* withIdleLimit(
  body: NodeJS.ReadableStream,
  doing: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const limit = new IdleLimit();
  const cut = (): void => {
    if ('destroy' in body && typeof body.destroy === 'function') {
      body.destroy(azureError(undefined, doing, { idle: true }));
    }
  };
  limit.signal.addEventListener('abort', cut);
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      limit.end();
      yield chunk;
      limit.alive();
    }
  } catch (error) {
    throw azureError(error, doing, { signal, idle: limit.signal.aborted });
  } finally {
    limit.end();
  }
}

/** All blocks of a blob need ids of the same length: this is BuildKit's, which may write the same blob. */
function blockId(upload: string, index: number): string {
  return Buffer.from(upload + String(index).padStart(64 - upload.length, '0')).toString('base64');
}

function isCondition(error: unknown): boolean {
  return error instanceof ServiceError && (error.status === 412 || error.reason === 'BlobAlreadyExists');
}

/** The client sends a buffer without copying it. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
