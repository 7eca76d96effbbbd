/** What GitHub keeps of a repository's cache: entries of git refs, and who may see and make them. */
import { createHmac, timingSafeEqual } from 'node:crypto';

export const READ = 1;
export const WRITE = 2;

export interface Access {
  Scope: string;
  /** {@link READ} and {@link WRITE} added up. */
  Permission: number;
}

/** An entry, from its reservation on. */
export interface CacheEntryRow {
  id: number;
  key: string;
  version: string;
  scope: string;
  /** Undefined: reserved, not completed. */
  bytes: Buffer | undefined;
  /** Parts that were uploaded: by block id in v2, by first byte in v1. */
  parts: Map<string, Buffer>;
  /** What an upload has put in place, before the entry is completed. */
  uploaded: Buffer | undefined;
}

/** A refusal; the status is the same in both versions. */
export class Refusal extends Error {
  readonly status: number;
  /** In the words of Twirp. */
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const MAX_KEY_LENGTH = 512;

function hmac(secret: string, text: string): Buffer {
  return createHmac('sha256', secret).update(text).digest();
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Tokens as GitHub makes them: a JWT whose claim `ac` is a text of JSON. */
export function makeToken(secret: string, access: readonly Access[], seconds = 3600): string {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    ac: JSON.stringify(access),
    nbf: now - 60,
    exp: now + seconds,
    iss: 'https://example.com',
  };
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${text}.${hmac(secret, text).toString('base64url')}`;
}

/** @throws Refusal 401 */
export function checkToken(secret: string, authorization: string | undefined): Access[] {
  const token = /^Bearer (.+)$/.exec(authorization ?? '')?.[1] ?? '';
  const [head = '', body = '', signature = ''] = token.split('.');
  const given = Buffer.from(signature, 'base64url');
  const wanted = hmac(secret, `${head}.${body}`);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted))
    throw new Refusal(401, 'unauthenticated', 'invalid token');
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as { ac: string; exp: number };
  if (claims.exp * 1000 < Date.now()) throw new Refusal(401, 'unauthenticated', 'token has expired');
  return JSON.parse(claims.ac) as Access[];
}

export class CacheStore {
  rows: CacheEntryRow[] = [];
  #ids = 0;

  /** In the order of the scopes: the exact key, then the newest that begins with one of the keys. */
  find(access: readonly Access[], keys: readonly string[], version: string): CacheEntryRow | undefined {
    for (const { Scope: scope, Permission: permission } of access) {
      if ((permission & READ) === 0) continue;
      const visible = this.rows
        .filter((row) => row.bytes !== undefined && row.scope === scope && row.version === version)
        .toSorted((a, b) => b.id - a.id);
      const found =
        visible.find(({ key }) => key === keys[0]) ??
        keys
          .map((prefix) => visible.find(({ key }) => key.startsWith(prefix)))
          .find((row) => row !== undefined);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** @throws Refusal 400, 403, 409 */
  reserve(access: readonly Access[], key: unknown, version: unknown): CacheEntryRow {
    const scope = writable(access);
    if (typeof key !== 'string' || key === '' || key.length > MAX_KEY_LENGTH || key.includes(','))
      throw new Refusal(400, 'invalid_argument', 'key is invalid');
    if (typeof version !== 'string' || !/^[0-9a-f]{64}$/.test(version))
      throw new Refusal(400, 'invalid_argument', 'version is invalid');
    if (this.rows.some((row) => row.key === key && row.version === version && row.scope === scope))
      throw new Refusal(
        409,
        'already_exists',
        'cache entry with the same key, version, and scope already exists',
      );
    const row = {
      id: ++this.#ids,
      key,
      version,
      scope,
      bytes: undefined,
      parts: new Map<string, Buffer>(),
      uploaded: undefined,
    };
    this.rows.push(row);
    return row;
  }

  /** A reservation that the token may complete. @throws Refusal 403, 404 */
  reserved(access: readonly Access[], matches: (row: CacheEntryRow) => boolean): CacheEntryRow {
    const scope = writable(access);
    const row = this.rows.find((each) => each.scope === scope && each.bytes === undefined && matches(each));
    if (row === undefined) throw new Refusal(404, 'not_found', 'cache entry not found');
    return row;
  }

  /** Makes an entry visible. @throws Refusal 400 when it is not what was announced */
  complete(row: CacheEntryRow, size: unknown): void {
    if (row.uploaded === undefined || size !== row.uploaded.length) {
      throw new Refusal(
        400,
        'invalid_argument',
        `size ${String(size)} announced, ${row.uploaded?.length ?? 'nothing'} uploaded`,
      );
    }
    row.bytes = row.uploaded;
    row.parts.clear();
  }
}

/** @throws Refusal 403 */
function writable(access: readonly Access[]): string {
  const own = access.find(({ Permission }) => (Permission & WRITE) !== 0);
  if (own === undefined) throw new Refusal(403, 'permission_denied', 'token has no writable scopes');
  return own.Scope;
}

/** Signs what a URL allows, until when. */
export function signature(secret: string, id: number, permission: string, expires: number): string {
  return hmac(secret, `${id} ${permission} ${expires}`).toString('base64');
}
