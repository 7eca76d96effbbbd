/** What Azure's storage and its client throw, as errors of ours. */
import type { RestError } from '@azure/storage-blob';
import { CairnError, messageOf } from '../../../errors/error.ts';
import { canceled } from '../../../registry/cancel.ts';
import { connectionFailure } from '../../../registry/network_error.ts';
import { MAX_ERROR_CHARACTERS } from '../limits.ts';
import { ServiceError } from '../service_error.ts';
import { isPassingStatus, PassingError, retryAfterOf } from '../retry.ts';

const HINTS: Readonly<Record<string, string>> = {
  AuthenticationFailed: 'check secret_access_key, account_name, or the signature and its end in account_url',
  AuthorizationFailure: 'the account does not let this network or identity in',
  AuthorizationPermissionMismatch:
    'the identity needs the role Storage Blob Data Contributor, or Storage Blob Data Reader to import',
  InvalidHeaderValue: 'the service may be too old for the version of the protocol that is spoken',
};
const CREDENTIALS_HINT =
  'give secret_access_key, a signature in account_url, or an identity in a place where Azure’s tools find it';

/** Names of what @azure/identity throws. */
const IDENTITY_ERRORS =
  /^(CredentialUnavailableError|AggregateAuthenticationError|AuthenticationError|AuthenticationRequiredError)$/;

/**
 * A {@link PassingError} where the request may be tried again.
 *
 * @param doing what was tried: `read URL`
 * @param signal of the caller: when it has fired, its reason is the error
 * @param idle the request was given up because nothing moved
 */
export function azureError(
  error: unknown,
  doing: string,
  { signal, idle = false }: { signal?: AbortSignal | undefined; idle?: boolean } = {},
): CairnError {
  if (error instanceof CairnError) return error;
  if (signal?.aborted === true) return canceled(signal);
  const failed = `failed to ${doing}`;
  if (idle) return new PassingError(`${failed}: nothing moved any more`, { code: 'TIMEOUT', cause: error });
  // The rest of such a message is the request and its headers.
  const text = (messageOf(error).split('\n')[0] ?? '').slice(0, MAX_ERROR_CHARACTERS);
  if (error instanceof Error && IDENTITY_ERRORS.test(error.name)) {
    return new CairnError(`${failed}: ${text}`, { code: 'DENIED', hint: CREDENTIALS_HINT, cause: error });
  }
  const { statusCode: status = 0, code, response } = error as Partial<RestError>;
  const broken = status === 0 ? connectionFailure(error) : undefined;
  if (broken !== undefined) {
    const { reason, hint, passing } = broken;
    const options = { code: 'UNAVAILABLE', hint, cause: error } as const;
    return passing
      ? new PassingError(`${failed}: ${reason}`, options)
      : new ServiceError(`${failed}: ${reason}`, { ...options, reason, status });
  }
  // An answer that is not Azure's.
  const foreign = status > 0 && code === 'PARSE_ERROR';
  const word = response?.headers.get('x-ms-error-code') ?? (foreign ? undefined : code);
  const reason = word ?? (status > 0 ? `HTTP ${status}` : 'Error');
  const message = `${failed}: ${reason}${foreign || text === '' || text === reason ? '' : `: ${text}`}`;
  // Without a status the connection broke, in a way that has no name.
  const lost = status === 0 && error instanceof Error && error.name === 'RestError';
  if (lost || isPassingStatus(status)) {
    const retryAfter = retryAfterOf(response?.headers.get('retry-after'));
    return new PassingError(message, { code: 'UNAVAILABLE', cause: error, retryAfter });
  }
  const code_ = status === 404 ? 'NOT_FOUND' : status === 401 || status === 403 ? 'DENIED' : 'UNAVAILABLE';
  return new ServiceError(message, { code: code_, hint: HINTS[reason], cause: error, reason, status });
}

export function isContainerMissing(error: unknown): boolean {
  return error instanceof ServiceError && error.status === 404 && error.reason.startsWith('Container');
}

/** True when blob or container are not there. */
export function isMissing(error: unknown): boolean {
  return error instanceof ServiceError && error.status === 404;
}
