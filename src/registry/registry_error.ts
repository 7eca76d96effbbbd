/** What a registry answered when it refused. */
import { CairnError, redact, type ErrorCode } from '../errors/error.ts';
import { ERROR_BODY_TIMEOUT_MS, MAX_ERROR_BODY_BYTES, MAX_ERROR_TEXT } from './limits.ts';
import type { HttpResponse } from './transport.ts';

/** One entry of the `errors` list of distribution-spec v1.1, "Error codes". */
export interface Diagnostic {
  code: string;
  message: string;
  detail?: unknown;
}

const CODES: Readonly<Record<number, ErrorCode>> = {
  401: 'DENIED',
  403: 'DENIED',
  404: 'NOT_FOUND',
  405: 'UNSUPPORTED',
  408: 'TIMEOUT',
  504: 'TIMEOUT',
};

/** Every answer of a registry or token server that is not what the request asked for, in one shape. */
export class RegistryError extends CairnError {
  /** The URL is without user info and signatures. */
  readonly request: { method: string; url: string };
  readonly status: number;
  readonly diagnostics: readonly Diagnostic[];
  /** The first part of the body. */
  readonly body: string;
  /** What Retry-After asked for, in milliseconds. */
  readonly retryAfter: number | undefined;

  constructor(
    method: string,
    response: Pick<HttpResponse, 'status' | 'statusText' | 'headers' | 'url'>,
    body: string,
  ) {
    const url = redact(response.url.href);
    const diagnostics = parseDiagnostics(body);
    super(`${method} ${url}: ${describe(method, response, diagnostics, body)}`, {
      code: CODES[response.status] ?? 'UNAVAILABLE',
    });
    this.name = 'RegistryError';
    this.request = { method, url };
    this.status = response.status;
    this.diagnostics = diagnostics;
    this.body = redact(body.slice(0, MAX_ERROR_TEXT));
    this.retryAfter = parseRetryAfter(response.headers['retry-after']);
  }
}

function describe(
  method: string,
  response: { status: number; statusText: string },
  diagnostics: readonly Diagnostic[],
  body: string,
): string {
  if (diagnostics.length > 0) return diagnostics.map(formatDiagnostic).join('; ');
  const status = `unexpected status code ${response.status} ${response.statusText}`.trim();
  if (method === 'HEAD') return status;
  const text = body.trim().slice(0, MAX_ERROR_TEXT);
  return text === '' ? status : `${status}: ${text}`;
}

function formatDiagnostic(diagnostic: Diagnostic): string {
  const detail =
    diagnostic.detail === undefined || diagnostic.detail === null
      ? ''
      : `; ${JSON.stringify(diagnostic.detail).slice(0, MAX_ERROR_TEXT)}`;
  const message = diagnostic.message === '' ? '' : `: ${diagnostic.message.slice(0, MAX_ERROR_TEXT)}`;
  return `${diagnostic.code}${message}${detail}`;
}

function parseDiagnostics(body: string): Diagnostic[] {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return [];
  }
  const list: unknown = typeof value === 'object' && value !== null && 'errors' in value ? value.errors : [];
  if (!Array.isArray(list)) return [];
  return list.flatMap((entry: unknown): Diagnostic[] => {
    if (typeof entry !== 'object' || entry === null) return [];
    const { code, message, detail } = entry as Record<string, unknown>;
    return [
      {
        code: typeof code === 'string' ? code : 'UNKNOWN',
        message: typeof message === 'string' ? message : '',
        ...(detail === undefined ? {} : { detail }),
      },
    ];
  });
}

/** Seconds or an HTTP date (RFC 9110, section 10.2.3) as milliseconds from now. */
function parseRetryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}

/** The error for `response`, whose body is read up to limits of size and time. */
export async function refusal(method: string, response: HttpResponse): Promise<RegistryError> {
  const parts: Uint8Array[] = [];
  let size = 0;
  // Some servers announce more than they then send.
  const timer = setTimeout(() => response.destroy(), ERROR_BODY_TIMEOUT_MS);
  try {
    for await (const chunk of response.body()) {
      parts.push(chunk);
      size += chunk.length;
      if (size >= MAX_ERROR_BODY_BYTES) break;
    }
  } catch {
    // The status says enough.
  } finally {
    clearTimeout(timer);
  }
  return new RegistryError(method, response, Buffer.concat(parts).toString('utf8', 0, MAX_ERROR_BODY_BYTES));
}
