/** Authorisation of requests: answers a host's challenges, and remembers tokens by their scopes. */
import { CairnError, registerSecret } from '../errors/error.ts';
import type { CredentialSource } from './contract.ts';
import { parseChallenges, type Challenge } from './challenge.ts';
import { normalizeScopes, scopesContain } from './scopes.ts';
import { basicHeader, fetchToken, type Credentials, type Token, type TokenSend } from './token.ts';
import type { HttpResponse } from './transport.ts';

interface Grant {
  scopes: string[];
  token: Promise<Token>;
}

interface HostState {
  credentials: Promise<Credentials | undefined> | undefined;
  /** What the host asks for; undefined as long as it has asked for nothing. */
  challenge: Challenge | undefined;
  grants: Grant[];
}

/** Tokens remembered for one host; a build needs one for each repository that it touches. */
const MAX_GRANTS = 256;

export class Authorizer {
  readonly #source: CredentialSource;
  readonly #hosts = new Map<string, HostState>();

  constructor(source: CredentialSource) {
    this.#source = source;
  }

  #state(host: string): HostState {
    let state = this.#hosts.get(host);
    if (state === undefined) {
      state = { credentials: undefined, challenge: undefined, grants: [] };
      this.#hosts.set(host, state);
    }
    return state;
  }

  #credentials(host: string, state: HostState): Promise<Credentials | undefined> {
    if (state.credentials === undefined) {
      state.credentials = this.#source.credentials(host).then((credentials) => {
        if (credentials !== undefined) {
          registerSecret('password' in credentials ? credentials.password : credentials.identityToken);
        }
        return credentials;
      });
      // A failed credential helper is asked again by the next request.
      state.credentials.catch(() => (state.credentials = undefined));
    }
    return state.credentials;
  }

  /**
   * The Authorization header for a request; undefined while the host has not asked for one.
   * @throws CairnError DENIED, and errors of the token server
   */
  async header(host: string, scopes: readonly string[], send: TokenSend): Promise<string | undefined> {
    const state = this.#hosts.get(host);
    if (state?.challenge === undefined) return undefined;
    const { challenge } = state;
    if (challenge.scheme === 'basic') {
      const credentials = await this.#credentials(host, state);
      if (credentials === undefined || !('username' in credentials)) return undefined;
      return basicHeader(credentials.username, credentials.password);
    }
    const grant = this.#grant(host, state, challenge, scopes, send);
    const token = await grant.token;
    if (token.expires > Date.now()) return `Bearer ${token.value}`;
    this.#forget(state, grant);
    return `Bearer ${(await this.#grant(host, state, challenge, scopes, send).token).value}`;
  }

  #grant(
    host: string,
    state: HostState,
    challenge: Challenge,
    scopes: readonly string[],
    send: TokenSend,
  ): Grant {
    const known = state.grants.find((grant) => scopesContain(grant.scopes, scopes));
    if (known !== undefined) return known;
    const wanted = normalizeScopes(scopes);
    const token = this.#credentials(host, state).then((credentials) =>
      fetchToken(send, {
        realm: challenge.parameters['realm'] ?? '',
        service: challenge.parameters['service'],
        scopes: wanted,
        credentials,
      }),
    );
    const grant: Grant = { scopes: wanted, token };
    state.grants.push(grant);
    if (state.grants.length > MAX_GRANTS) state.grants.shift();
    token.catch(() => this.#forget(state, grant));
    return grant;
  }

  #forget(state: HostState, grant: Grant): void {
    const index = state.grants.indexOf(grant);
    if (index !== -1) state.grants.splice(index, 1);
  }

  /**
   * Takes a 401 in. @returns true when the request should be sent again, with the header that header() then gives
   * @param sent the Authorization header that the refused request carried
   */
  async challenged(host: string, response: HttpResponse, sent: string | undefined): Promise<boolean> {
    const state = this.#state(host);
    for (const challenge of parseChallenges(response.headers['www-authenticate'])) {
      if (challenge.scheme === 'basic') {
        const credentials = await this.#credentials(host, state);
        if (credentials === undefined || !('username' in credentials)) continue;
        if (sent?.startsWith('Basic ') === true) return false;
        state.challenge = challenge;
        return true;
      }
      if (challenge.parameters['realm'] === undefined) {
        throw new CairnError(`${host}: no realm specified for token auth challenge`, {
          code: 'UNAVAILABLE',
        });
      }
      state.challenge = challenge;
      if (sent?.startsWith('Bearer ') === true) {
        for (const grant of state.grants.slice()) {
          const token = await grant.token.catch(() => undefined);
          if (token === undefined || `Bearer ${token.value}` === sent) this.#forget(state, grant);
        }
      }
      return true;
    }
    return false;
  }

  /** The scopes that the host's last challenge named. */
  challengeScopes(response: HttpResponse): string[] {
    const bearer = parseChallenges(response.headers['www-authenticate'])[0];
    return normalizeScopes([bearer?.parameters['scope'] ?? '']);
  }
}
