/**
 * Fetching a bearer token: the OAuth2 form by POST where there are credentials, else, or where the server has
 * no such thing, GET (distribution's token specifications; the order and the fallback are containerd's).
 */
import { CairnError, registerSecret } from '../errors/error.ts';
import { DEFAULT_TOKEN_SECONDS, MAX_TOKEN_BYTES } from './limits.ts';
import { refusal, RegistryError } from './registry_error.ts';
import type { HttpResponse } from './transport.ts';

export type Credentials = { username: string; password: string } | { identityToken: string };

export interface TokenRequest {
  realm: string;
  service: string | undefined;
  scopes: readonly string[];
  credentials: Credentials | undefined;
}

export interface Token {
  value: string;
  /** Milliseconds since the epoch after which it is not used any more. */
  expires: number;
}

/** Sends a request to the token server, without authorisation of its own. */
export type TokenSend = (
  method: string,
  url: URL,
  headers: Record<string, string>,
  body?: Uint8Array,
) => Promise<HttpResponse>;

const CLIENT_ID = 'cairn';
/** A token is renewed when this part of its life is over. */
const USABLE_PART = 0.9;
/** Answers of token servers that do not know the POST form. */
const NO_POST = new Set([400, 401, 404, 405]);

export function basicHeader(username: string, password: string): string {
  const value = Buffer.from(`${username}:${password}`).toString('base64');
  registerSecret(value);
  return `Basic ${value}`;
}

async function readToken(method: string, response: HttpResponse): Promise<Token> {
  if (response.status < 200 || response.status >= 400) throw await refusal(method, response);
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body()) {
    parts.push(chunk);
    size += chunk.length;
    if (size > MAX_TOKEN_BYTES) throw invalid(response, 'the answer is too long');
  }
  let answer: unknown;
  try {
    answer = JSON.parse(Buffer.concat(parts).toString());
  } catch (cause) {
    throw invalid(response, 'unable to decode token response', cause);
  }
  const fields = (typeof answer === 'object' && answer !== null ? answer : {}) as Record<string, unknown>;
  const value = [fields['access_token'], fields['token']].find((t) => typeof t === 'string' && t !== '');
  if (typeof value !== 'string') {
    throw invalid(response, 'authorization server did not include a token in the response');
  }
  registerSecret(value);
  const seconds = Number(fields['expires_in'] ?? 0) || DEFAULT_TOKEN_SECONDS;
  return { value, expires: Date.now() + seconds * 1000 * USABLE_PART };
}

function invalid(response: HttpResponse, why: string, cause?: unknown): CairnError {
  return new CairnError(`token server ${response.url.origin}: ${why}`, { code: 'UNAVAILABLE', cause });
}

/**
 * A token for exactly these scopes.
 * @throws RegistryError, CairnError
 */
export async function fetchToken(send: TokenSend, request: TokenRequest): Promise<Token> {
  let realm: URL;
  try {
    realm = new URL(request.realm);
  } catch (cause) {
    throw new CairnError(`invalid token auth challenge realm: ${request.realm}`, {
      code: 'UNAVAILABLE',
      cause,
    });
  }
  const { credentials } = request;
  if (credentials === undefined) {
    try {
      return await get(send, realm, request);
    } catch (cause) {
      throw wrap('failed to fetch anonymous token', cause);
    }
  }
  try {
    return await post(send, realm, request, credentials);
  } catch (error) {
    const fallback = error instanceof RegistryError && NO_POST.has(error.status) && 'username' in credentials;
    if (!fallback) throw wrap('failed to fetch oauth token', error);
  }
  try {
    return await get(send, realm, request);
  } catch (cause) {
    throw wrap('failed to fetch oauth token', cause);
  }
}

function wrap(what: string, cause: unknown): unknown {
  if (!(cause instanceof CairnError) || cause.code === 'CANCELED') return cause;
  return new CairnError(`${what}: ${cause.message}`, { code: cause.code, hint: cause.hint, cause });
}

async function post(
  send: TokenSend,
  realm: URL,
  request: TokenRequest,
  credentials: Credentials,
): Promise<Token> {
  const form = new URLSearchParams();
  if (request.scopes.length > 0) form.set('scope', request.scopes.join(' '));
  form.set('service', request.service ?? '');
  form.set('client_id', CLIENT_ID);
  if ('identityToken' in credentials) {
    form.set('grant_type', 'refresh_token');
    form.set('refresh_token', credentials.identityToken);
  } else {
    form.set('grant_type', 'password');
    form.set('username', credentials.username);
    form.set('password', credentials.password);
  }
  const headers = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' };
  return readToken('POST', await send('POST', realm, headers, Buffer.from(form.toString())));
}

async function get(send: TokenSend, realm: URL, request: TokenRequest): Promise<Token> {
  const url = new URL(realm);
  if (request.service !== undefined && request.service !== '') {
    url.searchParams.append('service', request.service);
  }
  for (const scope of request.scopes) url.searchParams.append('scope', scope);
  const { credentials } = request;
  const headers: Record<string, string> = {};
  if (credentials !== undefined && 'username' in credentials) {
    headers['authorization'] = basicHeader(credentials.username, credentials.password);
  }
  return readToken('GET', await send('GET', url, headers));
}
