/** GET and HEAD of a URL for a source: redirects, authorisation from secrets, gzip as Go's client handles it. */
import type { IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import { CairnError, redact } from '../errors/error.ts';
import { BLOB_TIMEOUT_MS, CONNECT_TIMEOUT_MS, IDLE_TIMEOUT_MS, MAX_REDIRECTS } from '../registry/limits.ts';
import { networkError } from '../registry/network_error.ts';
import type { HttpResponse, Transport } from '../registry/transport.ts';

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const TIMEOUTS = { connect: CONNECT_TIMEOUT_MS, idle: IDLE_TIMEOUT_MS, overall: BLOB_TIMEOUT_MS };

export interface FileResponse {
  status: number;
  headers: IncomingHttpHeaders;
  /** Decompressed where the server compressed it for the transfer only. */
  body(): AsyncIterable<Uint8Array>;
  discard(): void;
}

function sensitive(name: string): boolean {
  return name === 'authorization' || name === 'cookie';
}

/** Go drops credentials on the way to a host that is neither the first one nor below it. */
function mayKeepCredentials(first: URL, next: URL): boolean {
  return next.hostname === first.hostname || next.hostname.endsWith(`.${first.hostname}`);
}

async function* gunzip(body: AsyncIterable<Uint8Array>, url: URL): AsyncGenerator<Uint8Array> {
  const { createGunzip } = await import('node:zlib');
  const { pipeline } = await import('node:stream');
  const output = createGunzip();
  pipeline(Readable.from(body), output, () => undefined);
  try {
    for await (const chunk of output) yield chunk as Uint8Array;
  } catch (error) {
    throw networkError('GET', url, error);
  }
}

/** @throws CairnError UNAVAILABLE with Go's words (`Get "https://…": dial tcp …`), TIMEOUT, CANCELED */
export async function requestFile(
  transport: Transport,
  method: 'GET' | 'HEAD',
  href: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<FileResponse> {
  const first = parseUrl(href);
  let url = first;
  let sent: Record<string, string> = { 'accept-encoding': 'gzip', ...headers };
  for (let count = 0; ; count++) {
    const response: HttpResponse = await transport.send({
      method,
      url,
      headers: sent,
      signal,
      timeouts: TIMEOUTS,
    });
    const { location } = response.headers;
    if (location === undefined || !REDIRECTS.has(response.status)) {
      const zipped = response.headers['content-encoding']?.toLowerCase() === 'gzip';
      const from = url;
      return {
        status: response.status,
        headers: response.headers,
        body: () => (zipped ? gunzip(response.body(), from) : response.body()),
        discard: () => response.discard(),
      };
    }
    response.discard();
    if (count >= MAX_REDIRECTS) {
      throw new CairnError(`Get "${redact(url.href)}": stopped after ${MAX_REDIRECTS} redirects`, {
        code: 'UNAVAILABLE',
      });
    }
    url = parseUrl(new URL(location, url).href);
    if (!mayKeepCredentials(first, url)) {
      sent = Object.fromEntries(Object.entries(sent).filter(([name]) => !sensitive(name)));
    }
  }
}

function parseUrl(href: string): URL {
  let url: URL;
  try {
    url = new URL(href);
  } catch (cause) {
    throw new CairnError(`"${redact(href)}" is not a URL`, { code: 'SOLVE', cause });
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new CairnError(
      `Get "${redact(href)}": unsupported protocol scheme "${url.protocol.slice(0, -1)}"`,
      {
        code: 'SOLVE',
      },
    );
  }
  return url;
}
