/** What the runtime token of a job says of itself. GitHub checks it; we only read. */
import { CairnError } from '../../../errors/error.ts';

const READ = 1;
const WRITE = 2;

/** A git ref whose caches the job may use. */
export interface TokenScope {
  scope: string;
  read: boolean;
  write: boolean;
}

export interface RuntimeToken {
  /** As the token lists them: the job's own ref first, then those that it may read from. */
  scopes: readonly TokenScope[];
  /** Undefined: it does not say. */
  expires: Date | undefined;
}

/**
 * Reads the claims of a JSON Web Token (RFC 7519): `ac`, the access control list as a text of JSON, and `exp`.
 * @throws CairnError USAGE when it is no such token
 */
export function parseToken(token: string): RuntimeToken {
  const claims = claimsOf(token);
  const list = parseJson(typeof claims['ac'] === 'string' ? claims['ac'] : '');
  if (!Array.isArray(list)) throw notAToken('has no access controls for the cache (claim "ac")');
  const scopes = new Map<string, TokenScope>();
  for (const entry of list) {
    const { Scope, Permission } = (entry ?? {}) as Record<string, unknown>;
    if (typeof Scope !== 'string' || typeof Permission !== 'number') continue;
    const before = scopes.get(Scope);
    scopes.set(Scope, {
      scope: Scope,
      read: before?.read === true || (Permission & READ) !== 0,
      write: before?.write === true || (Permission & WRITE) !== 0,
    });
  }
  const exp = claims['exp'];
  return {
    scopes: [...scopes.values()],
    expires: typeof exp === 'number' && Number.isFinite(exp) ? new Date(exp * 1000) : undefined,
  };
}

/** @throws CairnError DENIED */
export function checkExpiry({ expires }: RuntimeToken, now = new Date()): void {
  if (expires === undefined || expires > now) return;
  throw new CairnError(`the token of GitHub's cache expired at ${expires.toISOString()}`, {
    code: 'DENIED',
    hint: 'a runtime token is good for the job that it was made for',
  });
}

/** The ref that new entries belong to; undefined: the token may only read. */
export function writableScope({ scopes }: RuntimeToken): string | undefined {
  return scopes.findLast(({ write }) => write)?.scope;
}

function claimsOf(token: string): Record<string, unknown> {
  const parts = token.trim().split('.');
  const claims =
    parts.length === 3 ? parseJson(Buffer.from(parts[1] ?? '', 'base64url').toString()) : undefined;
  if (typeof claims !== 'object' || claims === null) throw notAToken('is not a JSON Web Token');
  return claims as Record<string, unknown>;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function notAToken(what: string): CairnError {
  return new CairnError(`the token of GitHub's cache ${what}`, {
    code: 'USAGE',
    hint: 'it is the value of ACTIONS_RUNTIME_TOKEN, not a personal or GITHUB_TOKEN',
  });
}
