/** Tokens for tests; nothing checks their signature. */

/** A token with these claims. */
export function unsignedToken(claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none' })}.${part(claims)}.c2ln`;
}

/** A token of a job; 1: read, 2: write. */
export function jobToken(scopes: Record<string, number>): string {
  const list = Object.entries(scopes).map(([Scope, Permission]) => ({ Scope, Permission }));
  return unsignedToken({ ac: JSON.stringify(list), exp: Math.floor(Date.now() / 1000) + 3600 });
}
