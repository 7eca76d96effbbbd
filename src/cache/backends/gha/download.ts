/** Reading an entry: over its signed URL, on from where it broke off, with a new URL when the old one has expired. */
import type { ByteRange } from '../../../content/contract.ts';
import type { HttpResponse } from '../../../registry/transport.ts';
import { resumedRead } from '../resumed_read.ts';
import { ServiceError, unreadable, type Caller } from './calls.ts';

export interface Download {
  /** For errors. */
  key: string;
  /** @param renew the URL that was handed out is not accepted any more. @throws CairnError NOT_FOUND */
  url(renew: boolean): Promise<string>;
  /** Of the whole entry, in bytes; undefined: as many as the service says. */
  size?: number;
  range?: ByteRange | undefined;
  signal?: AbortSignal | undefined;
}

/** @throws CairnError NOT_FOUND, DENIED, UNAVAILABLE, TIMEOUT, CORRUPT, CANCELED */
export async function* download(
  caller: Caller,
  wanted: Download,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { key, range, signal } = wanted;
  const start = range?.start ?? 0;
  let end = range?.end ?? wanted.size;
  let opened: HttpResponse | undefined;
  if (end === undefined) {
    opened = await open(caller, wanted, start);
    const length = opened.headers['content-length'];
    if (length === undefined) {
      yield* bodyFrom(opened, start, key);
      return;
    }
    end = (opened.status === 206 ? start : 0) + Number(length);
  }
  yield* resumedRead({
    name: `GitHub's cache: ${key}`,
    start,
    end,
    signal,
    async open(position) {
      const response = opened ?? (await open(caller, wanted, position));
      opened = undefined;
      return bodyFrom(response, position, key);
    },
  });
}

/** The answer from `position` on; a URL that is not accepted is asked for again, once. */
async function open(caller: Caller, wanted: Download, position: number): Promise<HttpResponse> {
  const { key, range, signal } = wanted;
  const end = range?.end;
  const headers: Record<string, string> =
    position === 0 && end === undefined
      ? {}
      : { range: `bytes=${position}-${end === undefined ? '' : end - 1}` };
  const get = async (renew: boolean): Promise<HttpResponse> =>
    caller.send({
      what: `download ${key}`,
      method: 'GET',
      url: await wanted.url(renew),
      headers,
      accept: [200, 206],
      signal,
    });
  try {
    return await get(false);
  } catch (error) {
    const expired = error instanceof ServiceError && (error.status === 401 || error.status === 403);
    if (!expired) throw error;
    return get(true);
  }
}

/** The body from `position` on, whether the server heeds ranges or not. @throws CairnError CORRUPT */
async function* bodyFrom(
  response: HttpResponse,
  position: number,
  key: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  let skip = position;
  if (response.status === 206) {
    const start = /^bytes (\d+)-/.exec(response.headers['content-range'] ?? '')?.[1];
    if (start !== String(position)) {
      response.destroy();
      throw unreadable(`download ${key}`, `the answer is not the range from byte ${position}`);
    }
    skip = 0;
  }
  for await (const chunk of response.body()) {
    const skipped = Math.min(skip, chunk.length);
    skip -= skipped;
    if (skipped < chunk.length) yield chunk.subarray(skipped);
  }
}
