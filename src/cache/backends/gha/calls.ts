/** Requests to GitHub's cache service and to the storage behind it: paced, retried, with errors that say what failed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CairnError, redact, type ErrorCode } from '../../../errors/error.ts';
import { canceled } from '../../../registry/cancel.ts';
import { Gate } from '../../../registry/gate.ts';
import { DEFAULT_TIMEOUTS, MAX_TIMEOUT_ATTEMPTS } from '../../../registry/limits.ts';
import { isTransient } from '../../../registry/network_error.ts';
import type { HttpRequest, HttpResponse, Transport } from '../../../registry/transport.ts';
import { FIRST_BACKOFF_MS, MAX_ATTEMPTS, MAX_BACKOFF_MS, MAX_RETRY_AFTER_MS } from '../limits.ts';
import { isPassingStatus, retryAfterOf } from '../retry.ts';
import { MAX_ERROR_BYTES, MAX_ERROR_TEXT, PARALLEL_CALLS } from './limits.ts';
import type { Throttle } from './throttle.ts';

export interface Call {
  /** For errors: `look up buildkit-blob-1-sha256:…`. */
  what: string;
  method: string;
  url: string;
  headers?: Record<string, string>;
  body?: HttpRequest['body'];
  /** Statuses that the caller can use; every other is thrown as {@link ServiceError}. */
  accept: readonly number[];
  signal?: AbortSignal | undefined;
}

/** An answer that the request did not ask for. */
export class ServiceError extends CairnError {
  readonly status: number;
  /** `already_exists` and the like, in the words of v2, v1 or the storage. */
  readonly reason: string;
  /** Milliseconds. */
  readonly retryAfter: number | undefined;

  constructor(what: string, response: HttpResponse, body: string) {
    const { reason, message } = parseError(body);
    const text = [reason, message].filter((part) => part !== '').join(': ');
    const status = `${response.status} ${response.statusText}`.trim();
    super(`GitHub's cache: failed to ${what}: ${text === '' ? status : `${status}: ${text}`}`, {
      code: CODES[response.status] ?? 'UNAVAILABLE',
    });
    this.name = 'ServiceError';
    this.status = response.status;
    this.reason = reason;
    this.retryAfter = retryAfterOf(response.headers['retry-after']);
  }
}

const CODES: Readonly<Record<number, ErrorCode>> = { 401: 'DENIED', 403: 'DENIED', 404: 'NOT_FOUND' };

/** Errors of v2 are `{code, msg}`, of v1 `{typeKey, message}`, of the storage XML. */
function parseError(body: string): { reason: string; message: string } {
  const xml = (name: string): string => new RegExp(`<${name}>([^<]*)`).exec(body)?.[1] ?? '';
  if (body.includes('<Code>')) return { reason: shown(xml('Code')), message: shown(xml('Message')) };
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value === 'object' && value !== null) {
      const fields = value as Record<string, unknown>;
      return {
        reason: shown(fields['code'] ?? fields['typeKey']),
        message: shown(fields['msg'] ?? fields['message']),
      };
    }
  } catch {
    // Not JSON: shown as it is.
  }
  return { reason: '', message: shown(body) };
}

function shown(value: unknown): string {
  return typeof value === 'string' ? redact(value.slice(0, MAX_ERROR_TEXT)).trim() : '';
}

export class Caller {
  readonly #transport: Transport;
  readonly #gate = new Gate(PARALLEL_CALLS);
  readonly throttle: Throttle;

  constructor(transport: Transport, throttle: Throttle) {
    this.#transport = transport;
    this.throttle = throttle;
  }

  /**
   * Sends a request until it is answered for good; the body is the caller's to read.
   * @throws ServiceError; CairnError UNAVAILABLE, TIMEOUT, CANCELED; what the body's stream throws
   */
  async send(call: Call): Promise<HttpResponse> {
    const { signal } = call;
    for (let failures = 0; ;) {
      await this.throttle.ready(signal);
      const error = await this.#attempt(call);
      if (!(error instanceof CairnError)) return error;
      if (signal?.aborted === true) throw canceled(signal);
      if (error instanceof ServiceError && error.status === 429) {
        this.throttle.slow(error.retryAfter);
        continue;
      }
      failures += 1;
      if (failures >= attemptsAfter(error)) throw error;
      const pause = error instanceof ServiceError ? error.retryAfter : undefined;
      if ((pause ?? 0) > MAX_RETRY_AFTER_MS) throw error;
      await sleep(pause ?? backoff(failures), undefined, signal === undefined ? {} : { signal }).catch(() => {
        throw canceled(signal);
      });
    }
  }

  async #attempt(call: Call): Promise<HttpResponse | CairnError> {
    const { what, method, url, headers, body, accept, signal } = call;
    const { connect, idle, blob } = DEFAULT_TIMEOUTS;
    try {
      const response = await this.#transport.send({
        method,
        url: new URL(url),
        headers: { 'user-agent': 'cairn', ...headers },
        ...(body === undefined ? {} : { body }),
        signal,
        timeouts: { connect, idle, overall: blob },
      });
      if (!accept.includes(response.status)) return await refusal(what, response);
      this.throttle.taken();
      return response;
    } catch (error) {
      if (error instanceof CairnError && isTransient(error)) return error;
      throw error;
    }
  }

  /**
   * A request whose answer is a small JSON document.
   *
   * @param limit bytes of the answer
   * @throws CairnError CORRUPT when it is longer or no JSON object; as {@link send}
   */
  async json(call: Call, limit: number): Promise<{ status: number; value: Record<string, unknown> }> {
    const leave = await this.#gate.enter(call.signal);
    try {
      const response = await this.send(call);
      const text = await readText(response, limit, call.what);
      return { status: response.status, value: text === '' ? {} : parseObject(text, call.what) };
    } finally {
      leave();
    }
  }
}

/** How often a request is made that fails like this. */
function attemptsAfter(error: CairnError): number {
  if (error instanceof ServiceError) return isPassingStatus(error.status) ? MAX_ATTEMPTS : 1;
  return error.code === 'TIMEOUT' ? MAX_TIMEOUT_ATTEMPTS : MAX_ATTEMPTS;
}

/** Half of it is random, so that many jobs do not come back at once. */
function backoff(failures: number): number {
  const limit = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (failures - 1));
  return limit / 2 + Math.random() * (limit / 2);
}

async function refusal(what: string, response: HttpResponse): Promise<ServiceError> {
  let text = '';
  try {
    for await (const chunk of response.body()) {
      text += Buffer.from(chunk).toString('utf8');
      if (text.length >= MAX_ERROR_BYTES) break;
    }
  } catch {
    // The status says enough.
  }
  return new ServiceError(what, response, withoutMark(text));
}

async function readText(response: HttpResponse, limit: number, what: string): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body()) {
    parts.push(chunk);
    size += chunk.length;
    if (size > limit) throw unreadable(what, `the answer is longer than ${limit} bytes`);
  }
  return withoutMark(Buffer.concat(parts).toString('utf8'));
}

/** v1 begins its answers with a byte order mark. */
function withoutMark(text: string): string {
  return text.startsWith('\u{feff}') ? text.slice(1) : text;
}

function parseObject(text: string, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw unreadable(what, 'the answer is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw unreadable(what, 'the answer is not a JSON object');
  return value as Record<string, unknown>;
}

export function unreadable(what: string, why: string): CairnError {
  return new CairnError(`GitHub's cache: failed to ${what}: ${why}`, { code: 'CORRUPT' });
}
