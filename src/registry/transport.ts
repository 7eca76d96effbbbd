/**
 * One HTTP request: connections that are kept and reused, proxies, TLS options, and three time limits
 * (connecting, standing still, the whole). No retries, no redirects, no credentials.
 */
import type { Agent, ClientRequest, IncomingHttpHeaders, IncomingMessage, RequestOptions } from 'node:http';
import { readFileSync } from 'node:fs';
import { CairnError, redact } from '../errors/error.ts';
import { canceled } from './cancel.ts';
import { KEEP_ALIVE_MS, MAX_DISCARD_BYTES } from './limits.ts';
import { proxyFor } from './proxy.ts';
import { networkError } from './network_error.ts';

// An `import 'node:http'` also evaluates its lazy exports, and with them undici: 30 ms instead of 4.
const http = process.getBuiltinModule('node:http');

/** How to speak TLS with one host. */
export interface TlsOptions {
  /** Accepts any certificate. */
  insecure?: boolean;
  /** PEM files with roots in addition to the system's. */
  ca?: readonly string[];
  keyPairs?: readonly { key: string; cert: string }[];
}

export interface HttpRequest {
  method: string;
  url: URL;
  headers: Record<string, string>;
  /** A stream must yield exactly `size` bytes; it is opened once. */
  body?: Uint8Array | { stream: () => AsyncIterable<Uint8Array>; size: number };
  tls?: TlsOptions;
  signal?: AbortSignal | undefined;
  timeouts: { connect: number; idle: number; overall: number };
}

export interface HttpResponse {
  status: number;
  statusText: string;
  headers: IncomingHttpHeaders;
  /** What was asked for. */
  url: URL;
  /** Reads the body, once. Breaking off closes the connection. @throws CairnError */
  body(): AsyncIterable<Uint8Array>;
  /** Frees the connection when the body is not needed. */
  discard(): void;
  /** Closes the connection; a body that is being read ends with an error. */
  destroy(): void;
}

export interface Transport {
  /**
   * Sends the request and resolves with the response's head.
   * @throws CairnError UNAVAILABLE, TIMEOUT, CANCELED; what the body stream throws
   */
  send(request: HttpRequest): Promise<HttpResponse>;
  /** Closes idle connections. */
  close(): void;
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new CairnError(`failed to read ${path}`, { code: 'USAGE', cause });
  }
}

async function newAgent(secure: boolean, proxy: string | undefined, tls: TlsOptions): Promise<Agent> {
  const base = {
    keepAlive: true,
    timeout: KEEP_ALIVE_MS,
    scheduling: 'lifo' as const,
    ...(proxy === undefined ? {} : { proxyEnv: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy } }),
  };
  if (!secure) return new http.Agent(base);
  const [https, { rootCertificates }] = await Promise.all([import('node:https'), import('node:tls')]);
  const ca = tls.ca ?? [];
  const pairs = tls.keyPairs ?? [];
  return new https.Agent({
    ...base,
    ...(tls.insecure === true ? { rejectUnauthorized: false } : {}),
    ...(ca.length === 0 ? {} : { ca: [...rootCertificates, ...ca.map(readPem)] }),
    ...(pairs.length === 0
      ? {}
      : { cert: pairs.map((pair) => readPem(pair.cert)), key: pairs.map((pair) => readPem(pair.key)) }),
  });
}

/** A timer that is armed only while the other side is the one to move. */
class IdleTimer {
  #timer: NodeJS.Timeout | undefined;
  readonly #ms: number;
  readonly #fire: () => void;

  constructor(ms: number, fire: () => void) {
    this.#ms = ms;
    this.#fire = fire;
  }

  arm(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#fire, this.#ms);
  }

  disarm(): void {
    clearTimeout(this.#timer);
  }
}

/** The guards of one exchange: timers and the caller's signal; each destroys the request with its own error. */
class Exchange {
  readonly idle: IdleTimer;
  readonly #request: ClientRequest;
  readonly #signal: AbortSignal | undefined;
  readonly #overall: NodeJS.Timeout;
  readonly #connect: NodeJS.Timeout;
  readonly #onAbort: () => void;
  /** The first reason for which we gave up ourselves. */
  reason: CairnError | undefined;

  constructor(request: ClientRequest, options: HttpRequest) {
    this.#request = request;
    this.#signal = options.signal;
    const what = `${options.method} "${redact(options.url.href)}"`;
    const late = (text: string): void => this.fail(new CairnError(`${what}: ${text}`, { code: 'TIMEOUT' }));
    const { connect, idle, overall } = options.timeouts;
    this.idle = new IdleTimer(idle, () => late(`no progress for ${idle / 1000} s`));
    this.#overall = setTimeout(() => late(`not finished after ${overall / 1000} s`), overall);
    this.#connect = setTimeout(() => late(`no connection after ${connect / 1000} s`), connect);
    this.#onAbort = () => this.fail(canceled(options.signal));
    options.signal?.addEventListener('abort', this.#onAbort, { once: true });
    request.once('socket', (socket) => {
      const connected = (): void => clearTimeout(this.#connect);
      if (socket.connecting) {
        socket.once(options.url.protocol === 'https:' ? 'secureConnect' : 'connect', connected);
      } else {
        connected();
      }
    });
  }

  fail(error: CairnError): void {
    this.reason ??= error;
    this.#request.destroy(this.reason);
  }

  end(): void {
    this.idle.disarm();
    clearTimeout(this.#overall);
    clearTimeout(this.#connect);
    this.#signal?.removeEventListener('abort', this.#onAbort);
  }
}

async function sendBody(
  request: ClientRequest,
  body: HttpRequest['body'],
  exchange: Exchange,
): Promise<void> {
  if (body === undefined || body instanceof Uint8Array) {
    exchange.idle.arm();
    request.end(body);
    return;
  }
  let over = false;
  const stop = (): void => {
    over = true;
  };
  request.once('close', stop);
  // A server may answer, with an error, before it has read everything.
  request.once('response', stop);
  for await (const chunk of body.stream()) {
    if (over) return;
    if (!request.write(chunk)) {
      exchange.idle.arm();
      await new Promise<void>((done) => {
        const next = (): void => {
          request.removeListener('drain', next);
          request.removeListener('close', next);
          request.removeListener('response', next);
          done();
        };
        request.once('drain', next);
        request.once('close', next);
        request.once('response', next);
      });
      exchange.idle.disarm();
    }
  }
  exchange.idle.arm();
  request.end();
}

async function* readBody(message: IncomingMessage, exchange: Exchange, fail: (error: unknown) => unknown) {
  const chunks = message.iterator({ destroyOnReturn: true })[Symbol.asyncIterator]();
  let ended = false;
  try {
    for (;;) {
      exchange.idle.arm();
      const next = (await chunks.next()) as IteratorResult<Uint8Array>;
      exchange.idle.disarm();
      if (next.done === true) break;
      yield next.value;
    }
    ended = true;
    // Node ends a body without error when the connection closes after the last of too few bytes was due.
    if (!message.complete) throw Object.assign(new Error('unexpected EOF'), { code: 'ECONNRESET' });
  } catch (error) {
    ended = true;
    throw fail(exchange.reason ?? error);
  } finally {
    exchange.end();
    if (!ended) message.destroy();
  }
}

/** A transport with its own pool of connections. */
export function createTransport(): Transport {
  const agents = new Map<string, Promise<Agent>>();
  const agentFor = (url: URL, tls: TlsOptions): Promise<Agent> => {
    const secure = url.protocol === 'https:';
    const proxy = proxyFor(url);
    const key = JSON.stringify([secure, proxy, secure ? tls : {}]);
    let agent = agents.get(key);
    if (agent === undefined) {
      agent = newAgent(secure, proxy, tls);
      agents.set(key, agent);
    }
    return agent;
  };

  return {
    async send(options) {
      if (options.signal?.aborted === true) throw canceled(options.signal);
      const { url, body } = options;
      const agent = await agentFor(url, options.tls ?? {});
      const client = url.protocol === 'https:' ? await import('node:https') : http;
      const length = body === undefined ? undefined : body instanceof Uint8Array ? body.length : body.size;
      const requestOptions: RequestOptions = {
        method: options.method,
        agent,
        headers: {
          ...options.headers,
          ...(length === undefined ? {} : { 'content-length': String(length) }),
        },
      };
      const request = client.request(url, requestOptions);
      const exchange = new Exchange(request, options);
      const failure = (error: unknown): unknown => networkError(options.method, url, error);
      const head = new Promise<IncomingMessage>((done, fail) => {
        request.once('response', done);
        request.on('error', (error) => fail(exchange.reason ?? error));
        request.once('close', () => fail(new Error('connection closed')));
      });
      head.catch(() => undefined);
      let message: IncomingMessage;
      try {
        const sent = sendBody(request, body, exchange).catch((error: unknown) => {
          request.destroy();
          throw error;
        });
        message = await Promise.race([head, sent.then(() => head)]);
        // The source of an upload is what failed when both did.
        if (!request.writableEnded) sent.catch(() => undefined);
      } catch (error) {
        exchange.end();
        throw failure(exchange.reason ?? error);
      }
      exchange.idle.disarm();
      const read = (): AsyncIterable<Uint8Array> => readBody(message, exchange, failure);
      return {
        status: message.statusCode ?? 0,
        statusText: message.statusMessage ?? '',
        headers: message.headers,
        url,
        body: read,
        discard() {
          const declared = Number(message.headers['content-length'] ?? 0);
          exchange.end();
          message.on('error', () => undefined);
          if (declared > MAX_DISCARD_BYTES || !request.writableEnded) message.destroy();
          else message.resume();
        },
        destroy() {
          message.on('error', () => undefined);
          message.destroy();
        },
      };
    },
    close() {
      for (const agent of agents.values()) {
        agent.then((a) => a.destroy()).catch(() => undefined);
      }
      agents.clear();
    },
  };
}
