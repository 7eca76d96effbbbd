/**
 * Version 2 of the cache service: Twirp calls for the entries, Azure block blobs for the bytes
 * (tonistiigi/go-actions-cache cache_v2.go, and "Put Blob", "Put Block", "Put Block List" of Azure's REST API).
 */
import { PartSlots, sendParts } from '../part_slots.ts';
import { unreadable, type Caller } from './calls.ts';
import { ENTRY_VERSION } from './keys.ts';
import { MAX_ANSWER_BYTES, PART_BYTES, PARTS_AT_ONCE, WHOLE_BYTES } from './limits.ts';
import type { CacheService, FoundEntry, Reservation } from './service.ts';
import type { UploadSource } from './upload_source.ts';

const METHODS = 'twirp/github.actions.results.api.v1.CacheService';
/** Of Azure's protocol; since 2019-12-12 a block may be larger than 100 MiB. */
const STORAGE_VERSION = '2021-12-02';
/** All ids of one blob must be equally long. */
const BLOCK_ID_BYTES = 48;

export class ServiceV2 implements CacheService {
  readonly #url: string;
  readonly #token: string;
  readonly #caller: Caller;
  readonly #slots = new PartSlots(PARTS_AT_ONCE);

  constructor(url: string, token: string, caller: Caller) {
    this.#url = url.replace(/\/+$/, '');
    this.#token = token;
    this.#caller = caller;
  }

  async find(prefix: string, signal: AbortSignal | undefined): Promise<FoundEntry | undefined> {
    const what = `look up ${prefix}`;
    const body = { key: prefix, restore_keys: [prefix], version: ENTRY_VERSION };
    const { value } = await this.#call('GetCacheEntryDownloadURL', what, body, [200], signal);
    if (value['ok'] !== true) return undefined;
    const { matched_key: key, signed_download_url: url } = value;
    if (typeof key !== 'string' || typeof url !== 'string' || !URL.canParse(url))
      throw unreadable(what, 'the answer lacks the key or the URL');
    return { key, url };
  }

  async reserve(key: string, signal: AbortSignal): Promise<Reservation | undefined> {
    const what = `reserve ${key}`;
    await this.#caller.throttle.upload(signal);
    const body = { key, version: ENTRY_VERSION };
    const { status, value } = await this.#call('CreateCacheEntry', what, body, [200, 409], signal);
    if (status === 409 || value['ok'] !== true) return undefined;
    const place = value['signed_upload_url'];
    if (typeof place !== 'string' || !URL.canParse(place)) throw unreadable(what, 'the answer lacks the URL');
    return { key, place };
  }

  async fill({ key, place }: Reservation, source: UploadSource, signal: AbortSignal): Promise<void> {
    if (source.size <= WHOLE_BYTES) await this.#putBlob(key, place, source, signal);
    else await this.#putBlocks(key, place, source, signal);
    const what = `complete ${key}`;
    const body = { key, size_bytes: source.size, version: ENTRY_VERSION };
    const { value } = await this.#call('FinalizeCacheEntryUpload', what, body, [200], signal);
    if (value['ok'] !== true) throw unreadable(what, 'the service did not take it');
  }

  async #putBlob(key: string, url: string, source: UploadSource, signal: AbortSignal): Promise<void> {
    const response = await this.#caller.send({
      what: `upload ${key}`,
      method: 'PUT',
      url,
      headers: { 'x-ms-version': STORAGE_VERSION, 'x-ms-blob-type': 'BlockBlob' },
      body: { stream: () => source.stream(), size: source.size },
      accept: [201],
      signal,
    });
    response.discard();
    source.sent(source.size);
  }

  async #putBlocks(key: string, url: string, source: UploadSource, signal: AbortSignal): Promise<void> {
    const put = async (what: string, query: string, body: Uint8Array, within: AbortSignal): Promise<void> => {
      const response = await this.#caller.send({
        what: `upload ${what} of ${key}`,
        method: 'PUT',
        url: `${url}${url.includes('?') ? '&' : '?'}${query}`,
        headers: { 'x-ms-version': STORAGE_VERSION },
        body,
        accept: [201],
        signal: within,
      });
      response.discard();
    };
    const ids = await sendParts(source.stream(), source.size, {
      partSize: PART_BYTES,
      slots: this.#slots,
      signal,
      async send(part, index, within) {
        const id = Buffer.from(String(index).padStart(BLOCK_ID_BYTES, '0')).toString('base64');
        await put(`block ${index}`, `comp=block&blockid=${encodeURIComponent(id)}`, part, within);
        source.sent(part.length);
        return id;
      },
    });
    const list = ids.map((id) => `<Latest>${id}</Latest>`).join('');
    const xml = `<?xml version="1.0" encoding="utf-8"?><BlockList>${list}</BlockList>`;
    await put('the list of blocks', 'comp=blocklist', Buffer.from(xml), signal);
  }

  #call(
    method: string,
    what: string,
    body: object,
    accept: readonly number[],
    signal: AbortSignal | undefined,
  ): Promise<{ status: number; value: Record<string, unknown> }> {
    return this.#caller.json(
      {
        what,
        method: 'POST',
        url: `${this.#url}/${METHODS}/${method}`,
        headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
        body: Buffer.from(JSON.stringify(body)),
        accept,
        signal,
      },
      MAX_ANSWER_BYTES,
    );
  }
}
