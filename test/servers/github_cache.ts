/**
 * Stands in for GitHub's cache service, version 1 and 2, the storage behind it, and the listing of the REST API. It
 * refuses what GitHub refuses: entries never change, keys are reserved before they are filled and found by prefix,
 * newest first; each git ref has its own; a token says which of them it may read and write; URLs expire.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { signedPath, storage, type Reply } from './github_cache_storage.ts';
import {
  CacheStore,
  checkToken,
  makeToken,
  Refusal,
  type Access,
  type CacheEntryRow,
} from './github_cache_store.ts';

export { READ, WRITE, type Access } from './github_cache_store.ts';

const TWIRP = '/twirp/github.actions.results.api.v1.CacheService/';
const V1 = '/_apis/artifactcache/';
/** What GitHub takes from one repository in a minute. */
const UPLOADS_PER_MINUTE = 200;
/** How long a URL is good for. */
const URL_LIFETIME_MS = 3_600_000;

export interface SeenRequest {
  method: string;
  /** Path and query. */
  url: string;
  status: number;
}

export interface GithubCache {
  /** `http://127.0.0.1:port/`; the base of both versions and of the REST API. */
  url: string;
  /** `127.0.0.1:port` */
  host: string;
  /** For the REST API. */
  restToken: string;
  requests: SeenRequest[];
  /** Completed entries, oldest first. */
  entries(): readonly CacheEntryRow[];
  /** Default: reads and writes `refs/heads/main`. */
  token: (access?: readonly Access[], seconds?: number) => string;
  /** Forgets entries, as GitHub does with the least recently used. */
  evict(which: (entry: CacheEntryRow) => boolean): void;
  /** Lets time pass for URLs that were handed out. Milliseconds. */
  advance(ms: number): void;
  /** Answers instead of the server where it gives something. */
  fault: ((request: IncomingMessage) => Reply | 'reset' | undefined) | undefined;
  stop: () => Promise<void>;
}

class Service {
  readonly store = new CacheStore();
  readonly secret = randomBytes(16).toString('hex');
  readonly restToken = randomUUID();
  skew = 0;
  #made: number[] = [];

  answer(request: IncomingMessage, body: Buffer): Reply {
    const base = `http://${request.headers.host ?? ''}`;
    const url = new URL(request.url ?? '/', base);
    const { authorization } = request.headers;
    const path = url.pathname;
    if (path.startsWith('/actions-cache/'))
      return storage(this.secret, this.store.rows, request, url, body, Date.now() + this.skew);
    try {
      if (path.startsWith('/repos/')) return this.#list(url, authorization);
      const access = checkToken(this.secret, authorization);
      if (path.startsWith(TWIRP)) return this.#twirp(path.slice(TWIRP.length), access, request, body, base);
      if (path.startsWith(V1)) return this.#v1(path.slice(V1.length), access, request, url, body, base);
      return { status: 404 };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { status, code, message } = error;
      const typeKey = code === 'already_exists' ? 'ArtifactCacheItemAlreadyExistsException' : code;
      const headers = status === 429 ? { 'retry-after': '1' } : undefined;
      return json(status, path.startsWith(V1) ? { typeKey, message } : { code, msg: message }, headers);
    }
  }

  #twirp(method: string, access: Access[], request: IncomingMessage, body: Buffer, base: string): Reply {
    if (request.method !== 'POST' || !String(request.headers['content-type']).startsWith('application/json'))
      throw new Refusal(404, 'bad_route', 'POST application/json');
    const { key, restore_keys: more, version, size_bytes: size } = parse(body);
    switch (method) {
      case 'GetCacheEntryDownloadURL': {
        const keys = [key, ...(Array.isArray(more) ? more : [])].filter((each) => typeof each === 'string');
        const row = this.store.find(access, keys, String(version));
        if (row === undefined) return json(200, { ok: false, signed_download_url: '', matched_key: '' });
        return json(200, { ok: true, signed_download_url: this.#url(base, row, 'r'), matched_key: row.key });
      }
      case 'CreateCacheEntry':
        return json(200, {
          ok: true,
          signed_upload_url: this.#url(base, this.#reserve(access, key, version), 'w'),
        });
      case 'FinalizeCacheEntryUpload': {
        const row = this.store.reserved(access, (each) => each.key === key && each.version === version);
        this.store.complete(row, typeof size === 'string' ? Number(size) : size);
        return json(200, { ok: true, entry_id: String(row.id) });
      }
      default:
        throw new Refusal(404, 'bad_route', method);
    }
  }

  #v1(path: string, access: Access[], request: IncomingMessage, url: URL, body: Buffer, base: string): Reply {
    if (!String(request.headers.accept).includes('api-version=6.0-preview'))
      throw new Refusal(400, 'VssVersionNotSpecifiedException', 'no api-version');
    const id = Number(/^caches\/(\d+)$/.exec(path)?.[1]);
    const query = url.searchParams;
    if (path === 'cache' && request.method === 'GET') {
      const row = this.store.find(access, (query.get('keys') ?? '').split(','), query.get('version') ?? '');
      if (row === undefined) return { status: 204 };
      return json(200, { cacheKey: row.key, scope: row.scope, archiveLocation: this.#url(base, row, 'r') });
    }
    if (path === 'caches' && request.method === 'POST') {
      const { key, version } = parse(body);
      return json(201, { cacheId: this.#reserve(access, key, version).id });
    }
    const row = this.store.reserved(access, (each) => each.id === id);
    if (request.method === 'PATCH') {
      const [, first, last] = /^bytes (\d+)-(\d+)\/\*$/.exec(String(request.headers['content-range'])) ?? [];
      if (first === undefined || Number(last) - Number(first) + 1 !== body.length)
        throw new Refusal(400, 'InvalidContentRange', 'the range does not fit the body');
      row.parts.set(first, body);
      return { status: 204 };
    }
    const parts = [...row.parts].toSorted(([a], [b]) => Number(a) - Number(b));
    let end = 0;
    for (const [start, part] of parts) {
      if (Number(start) !== end) throw new Refusal(400, 'InvalidUpload', `there is a gap at byte ${end}`);
      end += part.length;
    }
    row.uploaded = Buffer.concat(parts.map(([, part]) => part));
    this.store.complete(row, parse(body)['size']);
    return { status: 204 };
  }

  #reserve(access: Access[], key: unknown, version: unknown): CacheEntryRow {
    const minute = Date.now() - 60_000;
    this.#made = this.#made.filter((time) => time > minute);
    if (this.#made.length >= UPLOADS_PER_MINUTE)
      throw new Refusal(429, 'resource_exhausted', 'too many uploads in a minute');
    const row = this.store.reserve(access, key, version);
    this.#made.push(Date.now());
    return row;
  }

  #url(base: string, row: CacheEntryRow, permission: 'r' | 'w'): string {
    return base + signedPath(this.secret, row, permission, Date.now() + this.skew + URL_LIFETIME_MS);
  }

  #list(url: URL, authorization: string | undefined): Reply {
    if (authorization !== `Bearer ${this.restToken}`) return json(401, { message: 'Bad credentials' });
    const query = url.searchParams;
    const size = Number(query.get('per_page') ?? '30');
    const start = (Number(query.get('page') ?? '1') - 1) * size;
    const found = this.store.rows.filter(
      ({ bytes, key, scope }) =>
        bytes !== undefined &&
        key.startsWith(query.get('key') ?? '') &&
        scope === (query.get('ref') ?? scope),
    );
    const shown = found.slice(start, start + size);
    return json(200, {
      total_count: found.length,
      actions_caches: shown.map(({ id, key, version, scope: ref }) => ({ id, key, version, ref })),
    });
  }
}

function parse(body: Buffer): Record<string, unknown> {
  try {
    return JSON.parse(body.toString()) as Record<string, unknown>;
  } catch {
    throw new Refusal(400, 'malformed', 'the body is not JSON');
  }
}

function json(status: number, value: object, headers?: Record<string, string>): Reply {
  return {
    status,
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(value),
  };
}

/** Starts the service with no entries. */
export async function startGithubCache(): Promise<GithubCache> {
  const service = new Service();
  const requests: SeenRequest[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('error', () => undefined);
    request.on('end', () => {
      const reply = started.fault?.(request) ?? service.answer(request, Buffer.concat(parts));
      const seen = { method: request.method ?? '', url: request.url ?? '' };
      requests.push({ ...seen, status: reply === 'reset' ? 0 : reply.status });
      if (reply === 'reset') {
        request.socket.destroy();
        return;
      }
      const length = reply.body === undefined ? 0 : Buffer.byteLength(reply.body);
      response.writeHead(reply.status, {
        'x-ms-request-id': randomUUID(),
        ...(reply.status === 204 ? {} : { 'content-length': String(length) }),
        ...reply.headers,
      });
      response.end(reply.body);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const host = `127.0.0.1:${address.port}`;
  const started: GithubCache = {
    url: `http://${host}/`,
    host,
    restToken: service.restToken,
    requests,
    entries: () => service.store.rows.filter(({ bytes }) => bytes !== undefined),
    token: (access = [{ Scope: 'refs/heads/main', Permission: 3 }], seconds) =>
      makeToken(service.secret, access, seconds),
    evict(which) {
      service.store.rows = service.store.rows.filter((row) => !which(row));
    },
    advance: (ms) => (service.skew += ms),
    fault: undefined,
    async stop() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
  return started;
}
