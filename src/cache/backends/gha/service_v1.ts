/** Version 1 of the cache service, as GitHub Enterprise Server and other runners have it (go-actions-cache cache.go). */
import { PartSlots, sendParts } from '../part_slots.ts';
import { ServiceError, unreadable, type Call, type Caller } from './calls.ts';
import { ENTRY_VERSION } from './keys.ts';
import { MAX_ANSWER_BYTES, PART_BYTES, PARTS_AT_ONCE, WHOLE_BYTES } from './limits.ts';
import type { CacheService, FoundEntry, Reservation } from './service.ts';
import type { UploadSource } from './upload_source.ts';

export class ServiceV1 implements CacheService {
  readonly #url: string;
  readonly #token: string;
  readonly #caller: Caller;
  readonly #slots = new PartSlots(PARTS_AT_ONCE);

  constructor(url: string, token: string, caller: Caller) {
    this.#url = `${url.replace(/\/+$/, '')}/_apis/artifactcache`;
    this.#token = token;
    this.#caller = caller;
  }

  async find(prefix: string, signal: AbortSignal | undefined): Promise<FoundEntry | undefined> {
    const what = `look up ${prefix}`;
    const query = new URLSearchParams({ keys: prefix, version: ENTRY_VERSION }).toString();
    const { status, value } = await this.#json({
      what,
      method: 'GET',
      url: `${this.#url}/cache?${query}`,
      accept: [200, 204],
      signal,
    });
    if (status === 204) return undefined;
    const { cacheKey: key, archiveLocation: url } = value;
    if (key === undefined || key === '') return undefined;
    if (typeof key !== 'string' || typeof url !== 'string' || !URL.canParse(url))
      throw unreadable(what, 'the answer lacks the key or the URL');
    return { key, url };
  }

  async reserve(key: string, signal: AbortSignal): Promise<Reservation | undefined> {
    const what = `reserve ${key}`;
    await this.#caller.throttle.upload(signal);
    const body = { key, version: ENTRY_VERSION };
    try {
      const { value } = await this.#json({
        what,
        method: 'POST',
        url: `${this.#url}/caches`,
        body: Buffer.from(JSON.stringify(body)),
        accept: [200, 201],
        signal,
      });
      const id = value['cacheId'] ?? value['cacheID'];
      if (typeof id !== 'number' || id === 0) throw unreadable(what, 'the answer lacks the number');
      return { key, place: String(id) };
    } catch (error) {
      // Some servers say it with 400.
      const taken =
        error instanceof ServiceError && (error.status === 409 || error.reason.includes('AlreadyExists'));
      if (taken) return undefined;
      throw error;
    }
  }

  async fill({ key, place }: Reservation, source: UploadSource, signal: AbortSignal): Promise<void> {
    const url = `${this.#url}/caches/${place}`;
    if (source.size > WHOLE_BYTES) {
      await sendParts(source.stream(), source.size, {
        partSize: PART_BYTES,
        slots: this.#slots,
        signal,
        send: async (part, index, within) => {
          await this.#patch(key, url, index * PART_BYTES, part.length, part, within);
          source.sent(part.length);
        },
      });
    } else if (source.size > 0) {
      const body = { stream: () => source.stream(), size: source.size };
      await this.#patch(key, url, 0, source.size, body, signal);
      source.sent(source.size);
    }
    await this.#json({
      what: `complete ${key}`,
      method: 'POST',
      url,
      body: Buffer.from(JSON.stringify({ size: source.size })),
      accept: [200, 201, 204],
      signal,
    });
  }

  async #patch(
    key: string,
    url: string,
    start: number,
    length: number,
    body: NonNullable<Call['body']>,
    signal: AbortSignal,
  ): Promise<void> {
    const response = await this.#caller.send({
      what: `upload ${key}`,
      method: 'PATCH',
      url,
      headers: {
        ...this.#headers(),
        'content-type': 'application/octet-stream',
        'content-range': `bytes ${start}-${start + length - 1}/*`,
      },
      body,
      accept: [200, 201, 204],
      signal,
    });
    response.discard();
  }

  #json(call: Call): Promise<{ status: number; value: Record<string, unknown> }> {
    const type = call.body === undefined ? undefined : { 'content-type': 'application/json' };
    return this.#caller.json({ ...call, headers: { ...this.#headers(), ...type } }, MAX_ANSWER_BYTES);
  }

  #headers(): Record<string, string> {
    return {
      authorization: `Bearer ${this.#token}`,
      accept: 'application/json;api-version=6.0-preview.1',
    };
  }
}
