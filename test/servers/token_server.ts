/** A server that gives out bearer tokens for test registries (distribution's token specification, JWT with RS256). */
import { createPrivateKey, randomUUID, sign } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { selfSigned } from './certificate.ts';
import type { RegistryOptions } from './docker_registry.ts';

export interface TokenServer {
  /** For {@link RegistryOptions.token}. */
  options: NonNullable<RegistryOptions['token']>;
  /** Scopes asked for, one entry a request, by method: `GET repository:a:pull`. */
  requests: string[];
  /** Whether POST is known; default true. */
  allowPost: boolean;
  /** Lifetime that is told to the client, in seconds. */
  expiresIn: number;
  /** Changed, tokens that were given out before are refused by nobody, but new ones are counted on. */
  stop(): Promise<void>;
}

const ISSUER = 'cairn-test-issuer';
const SERVICE = 'cairn-test';
/** How long tokens are really good for. */
const LIFETIME_SECONDS = 300;

/** Accounts get every scope; without credentials only `pull` is granted. */
export async function startTokenServer(accounts: Record<string, string>): Promise<TokenServer> {
  const dir = mkdtempSync(join(tmpdir(), 'cairn-token-'));
  const { key, certificate } = selfSigned(dir);
  const privateKey = createPrivateKey(readFileSync(key));
  const chain = readFileSync(certificate, 'utf8').replace(/-----[A-Z ]+-----|\s/g, '');
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const server: TokenServer = {
    options: { realm: '', service: SERVICE, issuer: ISSUER, rootCertBundle: certificate },
    requests: [],
    allowPost: true,
    expiresIn: LIFETIME_SECONDS,
    stop: async () => undefined,
  };

  const token = (user: string, scopes: string[]): string => {
    const now = Math.floor(Date.now() / 1000);
    const access = scopes.flatMap((scope) => {
      const [type = '', name = '', actions = ''] = scope.split(':');
      const granted = actions.split(',').filter((action) => user !== '' || action === 'pull');
      return [{ type, name, actions: granted }];
    });
    const head = encode({ typ: 'JWT', alg: 'RS256', x5c: [chain] });
    const claims = encode({
      iss: ISSUER,
      sub: user,
      aud: SERVICE,
      exp: now + LIFETIME_SECONDS,
      nbf: now - 10,
      iat: now,
      jti: randomUUID(),
      access,
    });
    const signature = sign('sha256', Buffer.from(`${head}.${claims}`), privateKey).toString('base64url');
    return `${head}.${claims}.${signature}`;
  };

  const http = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const url = new URL(request.url ?? '/', 'http://x');
      const form = new URLSearchParams(Buffer.concat(parts).toString());
      const post = request.method === 'POST';
      const scopes = post ? (form.get('scope') ?? '').split(' ') : url.searchParams.getAll('scope');
      server.requests.push(`${request.method} ${scopes.filter((scope) => scope !== '').join(' ')}`);
      if (post && !server.allowPost) {
        response.writeHead(405).end();
        return;
      }
      const basic = /^Basic (.*)$/.exec(request.headers.authorization ?? '')?.[1];
      const [user = '', password = ''] = post
        ? form.get('grant_type') === 'refresh_token'
          ? (form.get('refresh_token') ?? '').split('.')
          : [form.get('username') ?? '', form.get('password') ?? '']
        : Buffer.from(basic ?? '', 'base64')
            .toString()
            .split(':');
      if (user !== '' && accounts[user] !== password) {
        response.writeHead(401, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'wrong password' }] }));
        return;
      }
      const value = token(
        user,
        scopes.filter((scope) => scope !== ''),
      );
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({ [post ? 'access_token' : 'token']: value, expires_in: server.expiresIn }),
      );
    });
  });
  await new Promise<void>((done) => http.listen(0, '127.0.0.1', done));
  const address = http.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  server.options.realm = `http://127.0.0.1:${address.port}/token`;
  server.stop = async () => {
    http.closeAllConnections();
    await new Promise((done) => http.close(done));
    rmSync(dir, { recursive: true, force: true });
  };
  return server;
}
