/** The requests to S3 that caches need, on objects of one bucket. */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
  type S3Client,
} from './sdk.ts';
import { CLEANUP_TIMEOUT_MS, S3_MAX_COPY_BYTES, S3_MAX_PARTS, S3_PART_BYTES } from '../limits.ts';
import { sendParts, type PartSlots } from '../part_slots.ts';
import type { OpenObject } from '../resumed_read.ts';
import type { ListedPage, StoredObject } from '../stored_objects.ts';
import { ServiceError } from '../service_error.ts';
import { isMissing, s3Error } from './error.ts';

/** Under which circumstances an object is written: only over this one, or only when there is none. */
export type WriteCondition = { IfMatch: string } | { IfNoneMatch: '*' } | undefined;

interface Part {
  PartNumber: number;
  ETag: string | undefined;
}

/** @throws ServiceError from every method; what the signal says when it has fired */
export class Bucket {
  readonly name: string;
  readonly #client: S3Client;

  constructor(client: S3Client, name: string) {
    this.#client = client;
    this.name = name;
  }

  url(key: string): string {
    return `s3://${this.name}/${key}`;
  }

  /**
   * @param range first byte, and the one after the last
   * @returns undefined: no such object
   */
  async get(
    key: string,
    signal?: AbortSignal,
    range?: { start: number; end: number },
  ): Promise<OpenObject | undefined> {
    const Range = range === undefined ? {} : { Range: `bytes=${range.start}-${range.end - 1}` };
    try {
      const command = new GetObjectCommand({ Bucket: this.name, Key: key, ...Range });
      const { Body, ETag } = await this.#client.send(command, abort(signal));
      return { body: (Body ?? []) as AsyncIterable<Uint8Array>, etag: ETag };
    } catch (cause) {
      const error = s3Error(cause, `read ${this.url(key)}`, signal);
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** @returns undefined: no such object */
  async head(key: string, signal: AbortSignal): Promise<(StoredObject & { etag: string }) | undefined> {
    try {
      const command = new HeadObjectCommand({ Bucket: this.name, Key: key });
      const { ContentLength, LastModified, ETag } = await this.#client.send(command, abort(signal));
      return { size: ContentLength ?? 0, modified: LastModified ?? new Date(), etag: ETag ?? '' };
    } catch (cause) {
      const error = s3Error(cause, `look for ${this.url(key)}`, signal);
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** A page of the objects whose keys begin with `prefix`, from `from` on. */
  async list(prefix: string, from: string, signal: AbortSignal): Promise<ListedPage> {
    try {
      // The last character less comes right before, whatever lies between.
      const command = new ListObjectsV2Command({
        Bucket: this.name,
        Prefix: prefix,
        StartAfter: from.slice(0, -1),
      });
      const { Contents = [], IsTruncated } = await this.#client.send(command, abort(signal));
      const objects = new Map<string, StoredObject>();
      for (const { Key, Size, LastModified } of Contents) {
        if (Key !== undefined) objects.set(Key, { size: Size ?? 0, modified: LastModified ?? new Date() });
      }
      return { objects, until: IsTruncated === true ? (Contents.at(-1)?.Key ?? '') : undefined };
    } catch (cause) {
      throw s3Error(cause, `list ${this.url(prefix)}`, signal);
    }
  }

  /** @returns the new ETag; undefined: the condition does not hold */
  async put(
    key: string,
    bytes: Uint8Array,
    signal: AbortSignal,
    condition?: WriteCondition,
  ): Promise<string | undefined> {
    try {
      const command = new PutObjectCommand({ Bucket: this.name, Key: key, Body: bytes, ...condition });
      const { ETag } = await this.#client.send(command, abort(signal));
      return ETag ?? '';
    } catch (cause) {
      const error = s3Error(cause, `write ${this.url(key)}`, signal);
      if (condition !== undefined && error instanceof ServiceError) {
        if (error.status === 412 || error.reason === 'ConditionalRequestConflict' || isMissing(error))
          return undefined;
        // Services without conditions say so. Whoever calls has compared before.
        if (error.status === 501) return this.put(key, bytes, signal);
      }
      throw error;
    }
  }

  /** Writes an object in parts. Nothing is left of one that fails. */
  async putInParts(
    key: string,
    bytes: AsyncIterable<Uint8Array>,
    size: number,
    { slots, signal, onProgress }: { slots: PartSlots; signal: AbortSignal; onProgress?: OnProgress },
  ): Promise<void> {
    const partSize = Math.max(S3_PART_BYTES, Math.ceil(size / S3_MAX_PARTS));
    let written = 0;
    await this.#multipart(key, undefined, signal, (upload) =>
      sendParts<Part>(bytes, size, {
        partSize,
        slots,
        signal,
        send: async (part, index, either) => {
          const PartNumber = index + 1;
          const command = new UploadPartCommand({ ...upload, PartNumber, Body: part });
          const { ETag } = await this.#client.send(command, abort(either));
          onProgress?.((written += part.length));
          return { PartNumber, ETag };
        },
      }),
    );
  }

  /**
   * Makes an object new without sending its bytes, so that rules which expire old ones let it live.
   * @param copyLimit bytes that may be copied in one request
   * @returns false: no such object
   */
  async touch(
    key: string,
    size: number,
    signal: AbortSignal,
    copyLimit = S3_MAX_COPY_BYTES,
  ): Promise<boolean> {
    const source = [this.name, ...key.split('/')].map(encodeURIComponent).join('/');
    const Metadata = { 'updated-at': new Date().toISOString() };
    try {
      if (size < copyLimit) {
        await this.#client.send(
          new CopyObjectCommand({
            Bucket: this.name,
            Key: key,
            CopySource: source,
            Metadata,
            MetadataDirective: 'REPLACE',
          }),
          abort(signal),
        );
      } else {
        await this.#multipart(key, Metadata, signal, async (upload) => {
          const parts: Part[] = [];
          for (let start = 0; start < size; start += copyLimit) {
            const command = new UploadPartCopyCommand({
              ...upload,
              PartNumber: parts.length + 1,
              CopySource: source,
              CopySourceRange: `bytes=${start}-${Math.min(start + copyLimit, size) - 1}`,
            });
            const { CopyPartResult } = await this.#client.send(command, abort(signal));
            parts.push({ PartNumber: parts.length + 1, ETag: CopyPartResult?.ETag });
          }
          return parts;
        });
      }
      return true;
    } catch (cause) {
      const error = s3Error(cause, `copy ${this.url(key)} onto itself`, signal);
      if (isMissing(error)) return false;
      throw error;
    }
  }

  async #multipart(
    key: string,
    metadata: Record<string, string> | undefined,
    signal: AbortSignal,
    send: (upload: { Bucket: string; Key: string; UploadId: string | undefined }) => Promise<Part[]>,
  ): Promise<void> {
    const object = { Bucket: this.name, Key: key };
    try {
      const { UploadId } = await this.#client.send(
        new CreateMultipartUploadCommand({
          ...object,
          ...(metadata === undefined ? {} : { Metadata: metadata }),
        }),
        abort(signal),
      );
      const upload = { ...object, UploadId };
      try {
        const Parts = await send(upload);
        await this.#client.send(
          new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }),
          abort(signal),
        );
      } catch (error) {
        // Parts of an upload that was never completed are paid for until it is aborted.
        await this.#client
          .send(new AbortMultipartUploadCommand(upload), abort(AbortSignal.timeout(CLEANUP_TIMEOUT_MS)))
          .catch(() => undefined);
        throw error;
      }
    } catch (cause) {
      throw s3Error(cause, `write ${this.url(key)}`, signal);
    }
  }
}

export type OnProgress = (bytes: number) => void;

function abort(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}
