/**
 * One HTTP request: connections that are kept and reused, proxies, TLS options, and three time limits
 * (connecting, standing still, the whole). No retries, no redirects, no credentials.
 */
import type { Agent, ClientRequest, IncomingHttpHeaders, IncomingMessage, RequestOptions } from 'node:http';
import { readFileSync } from 'node:fs';
import { CairnError } from '../errors/error.ts';
import { canceled } from './cancel.ts';
import { Guards } from './guards.ts';
import { KEEP_ALIVE_MS, MAX_DISCARD_BYTES } from './limits.ts';
import { proxyFor } from './proxy.ts';
import { isUntrusted, networkError } from './network_error.ts';

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
  /** A stream must yield exactly `size` bytes; it is opened for each connection that is tried. */
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

interface AgentOptions {
  secure: boolean;
  proxy: string | undefined;
  tls: TlsOptions;
  /** Trust what the machine's own store of certificates does, in addition to Node's. */
  systemRoots: boolean;
}

async function newAgent({ secure, proxy, tls, systemRoots }: AgentOptions): Promise<Agent> {
  const base = {
    keepAlive: true,
    timeout: KEEP_ALIVE_MS,
    scheduling: 'lifo' as const,
    ...(proxy === undefined ? {} : { proxyEnv: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy } }),
  };
  if (!secure) return new http.Agent(base);
  const [https, { getCACertificates }] = await Promise.all([import('node:https'), import('node:tls')]);
  const given = (tls.ca ?? []).map(readPem);
  const roots = systemRoots ? new Set([...getCACertificates('default'), ...getCACertificates('system')]) : [];
  const pairs = tls.keyPairs ?? [];
  return new https.Agent({
    ...base,
    ...(tls.insecure === true ? { rejectUnauthorized: false } : {}),
    ...(given.length === 0 && !systemRoots
      ? {}
      : { ca: [...(systemRoots ? roots : getCACertificates('default')), ...given] }),
    ...(pairs.length === 0
      ? {}
      : { cert: pairs.map((pair) => readPem(pair.cert)), key: pairs.map((pair) => readPem(pair.key)) }),
  });
}

async function sendBody(request: ClientRequest, body: HttpRequest['body'], guards: Guards): Promise<void> {
  if (body === undefined || body instanceof Uint8Array) {
    guards.idle.arm();
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
      guards.idle.arm();
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
      guards.idle.disarm();
    }
  }
  // The last byte may have been answered before the stream said that it was the last one.
  if (!over) guards.idle.arm();
  request.end();
}

async function* readBody(message: IncomingMessage, guards: Guards, fail: (error: unknown) => unknown) {
  const chunks = message.iterator({ destroyOnReturn: true })[Symbol.asyncIterator]();
  let ended = false;
  try {
    for (;;) {
      guards.idle.arm();
      const next = (await chunks.next()) as IteratorResult<Uint8Array>;
      guards.idle.disarm();
      if (next.done === true) break;
      yield next.value;
    }
    ended = true;
    // Node ends a body without error when the connection closes after the last of too few bytes was due.
    if (!message.complete) throw Object.assign(new Error('unexpected EOF'), { code: 'ECONNRESET' });
  } catch (error) {
    ended = true;
    throw fail(guards.reason ?? error);
  } finally {
    guards.end();
    if (!ended) message.destroy();
  }
}

/** A transport with its own pool of connections. */
export function createTransport(): Transport {
  const agents = new Map<string, Promise<Agent>>();
  /** Hosts whose certificate only the machine's store of certificates vouches for. */
  const systemHosts = new Set<string>();

  const agentFor = (url: URL, tls: TlsOptions): Promise<Agent> => {
    const secure = url.protocol === 'https:';
    const proxy = proxyFor(url);
    const options = secure
      ? { secure, proxy, tls, systemRoots: systemHosts.has(url.host) }
      : { secure, proxy, tls: {}, systemRoots: false };
    const key = JSON.stringify(options);
    let agent = agents.get(key);
    if (agent === undefined) {
      agent = newAgent(options);
      agents.set(key, agent);
    }
    return agent;
  };

  return {
    async send(options) {
      const { url } = options;
      try {
        return await exchange(await agentFor(url, options.tls ?? {}), options);
      } catch (error) {
        if (!isUntrusted(error) || systemHosts.has(url.host)) throw error;
        // Reading the machine's certificates takes a tenth of a second, so only who needs them waits for that.
        systemHosts.add(url.host);
        return exchange(await agentFor(url, options.tls ?? {}), options);
      }
    },
    close() {
      for (const agent of agents.values()) {
        agent.then((a) => a.destroy()).catch(() => undefined);
      }
      agents.clear();
    },
  };
}

/** One request over one connection of `agent`. */
async function exchange(agent: Agent, options: HttpRequest): Promise<HttpResponse> {
  if (options.signal?.aborted === true) throw canceled(options.signal);
  const { url, body } = options;
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
  const guards = new Guards(request, options);
  const failure = (error: unknown): unknown => networkError(options.method, url, error);
  const head = new Promise<IncomingMessage>((done, fail) => {
    request.once('response', done);
    request.on('error', (error) => fail(guards.reason ?? error));
    request.once('close', () => fail(new Error('connection closed')));
  });
  head.catch(() => undefined);
  let message: IncomingMessage;
  try {
    const sent = sendBody(request, body, guards).catch((error: unknown) => {
      request.destroy();
      throw error;
    });
    message = await Promise.race([head, sent.then(() => head)]);
    // An answer that came before everything was sent stands; what then becomes of the rest does not matter.
    if (!request.writableEnded) sent.catch(() => undefined);
  } catch (error) {
    guards.end();
    throw failure(guards.reason ?? error);
  }
  guards.idle.disarm();
  return {
    status: message.statusCode ?? 0,
    statusText: message.statusMessage ?? '',
    headers: message.headers,
    url,
    body: () => readBody(message, guards, failure),
    discard() {
      const declared = Number(message.headers['content-length'] ?? 0);
      guards.end();
      message.on('error', () => undefined);
      if (declared > MAX_DISCARD_BYTES || !request.writableEnded) message.destroy();
      else message.resume();
    },
    destroy() {
      message.on('error', () => undefined);
      message.destroy();
    },
  };
}
