/** A request to an endpoint of a registry: authorised, redirected, retried, with the endpoint's limits on concurrency. */
import { CairnError } from '../errors/error.ts';
import type { CredentialSource } from './contract.ts';
import { Authorizer } from './authorizer.ts';
import type { Endpoint } from './endpoints.ts';
import { Gate } from './gate.ts';
import {
  MAX_ATTEMPTS,
  MAX_CONTROL_PER_HOST,
  MAX_READS_PER_HOST,
  MAX_REDIRECTS,
  MAX_UPLOADS_PER_HOST,
  type Timeouts,
} from './limits.ts';
import { speaksNoTls } from './network_error.ts';
import { refusal } from './registry_error.ts';
import { retrying } from './retry.ts';
import type { TokenSend } from './token.ts';
import type { HttpRequest, HttpResponse, Transport } from './transport.ts';

/** What a request is for: each kind has its own limit of concurrency and of time. */
export type Lane = 'control' | 'read' | 'upload';

export interface Call {
  method: string;
  /** Below the endpoint's path, e.g. `/library/busybox/manifests/latest`; or a whole URL, e.g. of an upload. */
  target: string | URL;
  scopes: readonly string[];
  lane: Lane;
  /** Statuses that the caller can use; every other is thrown as RegistryError. */
  accept: readonly number[];
  headers?: Record<string, string>;
  query?: Record<string, string>;
  body?: HttpRequest['body'];
  signal?: AbortSignal | undefined;
  /** Default MAX_ATTEMPTS; 1 for what must not be repeated as it is. */
  attempts?: number;
}

/** An answer with its slot: whoever takes it must read the body to the end, break off, or discard it. */
export type Answer = HttpResponse;

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const GATES: Readonly<Record<Lane, number>> = {
  control: MAX_CONTROL_PER_HOST,
  read: MAX_READS_PER_HOST,
  upload: MAX_UPLOADS_PER_HOST,
};

export class Connections {
  readonly #transport: Transport;
  readonly #authorizer: Authorizer;
  readonly #timeouts: Timeouts;
  readonly #userAgent: string;
  readonly #gates = new Map<string, Gate>();
  /** Hosts that turned out to speak plain http. */
  readonly #plain = new Set<string>();

  constructor(
    transport: Transport,
    credentials: CredentialSource,
    options: { timeouts: Timeouts; userAgent: string },
  ) {
    this.#transport = transport;
    this.#authorizer = new Authorizer(credentials);
    this.#timeouts = options.timeouts;
    this.#userAgent = options.userAgent;
  }

  /**
   * Sends `call` to `endpoint` and resolves with an answer whose status is one of `call.accept`.
   * @throws RegistryError, CairnError UNAVAILABLE, TIMEOUT, DENIED, CANCELED
   */
  async send(endpoint: Endpoint, call: Call): Promise<Answer> {
    const leave = await this.#gate(endpoint.host, call.lane).enter(call.signal);
    try {
      const answer = await retrying(call.attempts ?? MAX_ATTEMPTS, call.signal, async () => {
        const response = await this.#authorized(endpoint, call);
        if (call.accept.includes(response.status)) return response;
        throw await refusal(call.method, response);
      });
      return withSlot(answer, leave);
    } catch (error) {
      leave();
      throw error;
    }
  }

  #gate(host: string, lane: Lane): Gate {
    const key = `${lane} ${host}`;
    let gate = this.#gates.get(key);
    if (gate === undefined) {
      gate = new Gate(GATES[lane]);
      this.#gates.set(key, gate);
    }
    return gate;
  }

  #url(endpoint: Endpoint, call: Call): URL {
    const scheme = this.#plain.has(endpoint.host) ? 'http' : endpoint.scheme;
    const url =
      typeof call.target === 'string'
        ? new URL(`${scheme}://${endpoint.host}${endpoint.path}${call.target}`)
        : new URL(call.target);
    for (const [name, value] of Object.entries(call.query ?? {})) url.searchParams.append(name, value);
    if (endpoint.namespace !== undefined) url.searchParams.append('ns', endpoint.namespace);
    return url;
  }

  /** One try: with the authorisation that is known, and once more with what a 401 asked for. */
  async #authorized(endpoint: Endpoint, call: Call): Promise<HttpResponse> {
    const tokenSend: TokenSend = (method, url, headers, body) =>
      this.#once(endpoint, url, method, headers, body, call.signal, this.#timeouts.control);
    let scopes = call.scopes;
    for (let challenged = 0; ; challenged++) {
      const url = this.#url(endpoint, call);
      // An upload may continue on another host, which must not see our token.
      const own = url.host === new URL(`${url.protocol}//${endpoint.host}`).host;
      const authorization = own ? await this.#authorizer.header(endpoint.host, scopes, tokenSend) : undefined;
      const headers: Record<string, string> = { ...call.headers };
      if (authorization !== undefined) headers['authorization'] = authorization;
      const limit = call.lane === 'control' ? this.#timeouts.control : this.#timeouts.blob;
      let response: HttpResponse;
      try {
        response = await this.#redirected(endpoint, url, call, headers, limit);
      } catch (error) {
        if (!endpoint.fallback || this.#plain.has(endpoint.host) || !speaksNoTls(error, url)) throw error;
        this.#plain.add(endpoint.host);
        continue;
      }
      // Once without a token, once with a token that has just run out.
      const again = response.status === 401 && own && challenged < (authorization === undefined ? 2 : 1);
      if (!again || !(await this.#authorizer.challenged(endpoint.host, response, authorization))) {
        return response;
      }
      scopes = [...scopes, ...this.#authorizer.challengeScopes(response)];
      response.discard();
    }
  }

  async #redirected(
    endpoint: Endpoint,
    first: URL,
    call: Call,
    firstHeaders: Record<string, string>,
    limit: number,
  ): Promise<HttpResponse> {
    let url = first;
    let headers = firstHeaders;
    for (let count = 0; ; count++) {
      const response = await this.#once(endpoint, url, call.method, headers, call.body, call.signal, limit);
      const location = response.headers.location;
      const follow = call.method === 'GET' || call.method === 'HEAD';
      if (!follow || location === undefined || !REDIRECTS.has(response.status)) return response;
      response.discard();
      if (count >= MAX_REDIRECTS) {
        throw new CairnError(`${call.method} ${first.href}: stopped after ${MAX_REDIRECTS} redirects`, {
          code: 'UNAVAILABLE',
        });
      }
      const next = new URL(location, url);
      if (next.host !== url.host) {
        const { authorization: _, ...rest } = headers;
        headers = rest;
      }
      url = next;
    }
  }

  #once(
    endpoint: Endpoint,
    url: URL,
    method: string,
    headers: Record<string, string>,
    body: HttpRequest['body'] | undefined,
    signal: AbortSignal | undefined,
    overall: number,
  ): Promise<HttpResponse> {
    const { connect, idle } = this.#timeouts;
    return this.#transport.send({
      method,
      url,
      headers: { 'user-agent': this.#userAgent, ...headers },
      ...(body === undefined ? {} : { body }),
      // The options are for the registry itself, not for the places that it sends us to.
      ...(url.hostname === new URL(`${url.protocol}//${endpoint.host}`).hostname
        ? { tls: endpoint.tls }
        : {}),
      signal,
      timeouts: { connect, idle, overall },
    });
  }
}

/** `answer`, leaving its gate when the body is over. */
function withSlot(answer: HttpResponse, leave: () => void): Answer {
  return {
    ...answer,
    async *body() {
      try {
        yield* answer.body();
      } finally {
        leave();
      }
    },
    discard() {
      leave();
      answer.discard();
    },
    destroy() {
      leave();
      answer.destroy();
    },
  };
}

/** The whole of a small body. @throws CairnError CORRUPT when it is longer than `limit` bytes */
export async function readBounded(answer: Answer, limit: number, what: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body()) {
    parts.push(chunk);
    size += chunk.length;
    if (size > limit) {
      throw new CairnError(`${what} is longer than ${limit} bytes`, { code: 'CORRUPT' });
    }
  }
  return Buffer.concat(parts);
}
