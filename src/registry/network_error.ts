/** Errors of connections, in words that users of Go programs know. */
import { CairnError, redact } from '../errors/error.ts';

/** What Node calls a failed system call or TLS handshake. */
interface SystemError extends Error {
  code?: string;
  hostname?: string;
  address?: string;
  port?: number;
}

/** Failures after which the same request may well succeed. */
const TRANSIENT = new Set([
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'HPE_INVALID_EOF_STATE',
]);

/** What Node adds for those who start it themselves. */
const NODE_ADVICE = /; if the root CA is installed locally.*/s;

function reasonOf(error: SystemError): string {
  // Clients that throw an error of their own keep Node's message, and of its fields only the code.
  const [, told] = /^(?:connect|getaddrinfo) E[A-Z_]+ (\S+)$/.exec(error.message) ?? [];
  const place = error.address === undefined ? told : `${error.address}:${error.port ?? ''}`;
  const address = place === undefined ? '' : ` ${place}`;
  const hostname = error.hostname ?? told ?? 'host';
  switch (error.code) {
    case 'ENOTFOUND':
      return `dial tcp: lookup ${hostname}: no such host`;
    case 'EAI_AGAIN':
      return `dial tcp: lookup ${hostname}: Temporary failure in name resolution`;
    case 'ECONNREFUSED':
      return `dial tcp${address}: connect: connection refused`;
    case 'ENETUNREACH':
      return `dial tcp${address}: connect: network is unreachable`;
    case 'EHOSTUNREACH':
      return `dial tcp${address}: connect: no route to host`;
    case 'ETIMEDOUT':
      return `dial tcp${address}: connect: connection timed out`;
    case 'ECONNRESET':
      return error.message === 'unexpected EOF' ? 'unexpected EOF' : 'connection reset by peer';
    case 'EPIPE':
      return 'broken pipe';
    case 'EPROTO':
      return error.message.includes('wrong version number') ? 'the server does not speak TLS' : error.message;
    default:
      return error.message === '' ? (error.code ?? 'unknown error') : error.message.replace(NODE_ADVICE, '');
  }
}

/** A happy-eyeballs failure carries one error for each address. */
function innermost(error: Error): SystemError {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : undefined;
  return first instanceof Error ? first : error;
}

/** What Node calls certificates whose authority it does not know. */
const UNTRUSTED = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

function hintFor(code: string): string | undefined {
  if (UNTRUSTED.has(code)) {
    return 'the certificate is not trusted: give its authority in $NODE_EXTRA_CA_CERTS, or that of a registry as ca in the configuration';
  }
  return code === 'EPROTO'
    ? 'where the server speaks plain http, write http:// in its URL, or for a registry http = true in the configuration'
    : undefined;
}

/**
 * Why a connection failed, and what can be done about it; undefined: the error is none of a connection.
 * `passing`: a moment later it may not.
 */
export function connectionFailure(
  error: unknown,
): { reason: string; hint: string | undefined; passing: boolean } | undefined {
  if (!(error instanceof Error)) return undefined;
  const system = innermost(error);
  const code = system.code ?? '';
  if (!/^(E[A-Z_]+|ERR_(SSL|TLS)_\w+|HPE_\w+|CERT_\w+)$/.test(code) && !UNTRUSTED.has(code)) return undefined;
  return { reason: reasonOf(system), hint: hintFor(code), passing: TRANSIENT.has(code) };
}

/** `Get "https://…": dial tcp …` around what a connection threw. Errors of ours pass unchanged. */
export function networkError(method: string, url: URL, error: unknown): CairnError {
  if (error instanceof CairnError) return error;
  const system = innermost(error instanceof Error ? error : new Error(String(error)));
  const verb = method.slice(0, 1) + method.slice(1).toLowerCase();
  return new CairnError(`${verb} "${redact(url.href)}": ${reasonOf(system)}`, {
    code: 'UNAVAILABLE',
    hint: hintFor(system.code ?? ''),
    cause: system,
  });
}

function causeCode(error: unknown): string | undefined {
  if (!(error instanceof CairnError) || !(error.cause instanceof Error)) return undefined;
  return (error.cause as SystemError).code;
}

/** True when the other side's certificate is signed by nobody we know. */
export function isUntrusted(error: unknown): boolean {
  return UNTRUSTED.has(causeCode(error) ?? '');
}

/** True for an error of {@link networkError} that may not come again. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof CairnError)) return false;
  if (error.code === 'TIMEOUT') return true;
  const code = causeCode(error);
  return code !== undefined && TRANSIENT.has(code);
}

/** True when a TLS handshake met something that does not speak TLS, or nothing at all on the default port. */
export function speaksNoTls(error: unknown, url: URL): boolean {
  const code = causeCode(error) ?? '';
  return code === 'EPROTO' || code.startsWith('ERR_SSL_') || (code === 'ECONNREFUSED' && url.port === '');
}
