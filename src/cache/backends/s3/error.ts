/** What S3 and its client throw, as errors of ours. */
import type { S3ServiceException } from '@aws-sdk/client-s3';
import { CairnError, messageOf, type ErrorCode } from '../../../errors/error.ts';
import { canceled } from '../../../registry/cancel.ts';
import { connectionFailure } from '../../../registry/network_error.ts';
import { MAX_ERROR_CHARACTERS } from '../limits.ts';
import { ServiceError } from '../service_error.ts';
import { TooLongPause } from './patience.ts';

const HINTS: Readonly<Record<string, string>> = {
  NoSuchBucket: 'create the bucket, or correct bucket=',
  InvalidAccessKeyId: 'the service does not know this access_key_id',
  SignatureDoesNotMatch: 'check secret_access_key, region and endpoint_url',
  ExpiredToken: 'the credentials have expired; a profile or a role renews them by itself',
  InvalidToken: 'check session_token',
  RequestTimeTooSkewed: 'correct the clock of this machine',
  PermanentRedirect: 'the bucket is in another region: correct region=',
  AuthorizationHeaderMalformed: 'the bucket is in another region: correct region=',
  CredentialsProviderError:
    'give access_key_id and secret_access_key, or credentials in a place where the aws command finds them',
};

/**
 * @param doing what was tried: `read s3://bucket/key`
 * @param signal of the request: when it has fired, its reason is the error
 */
export function s3Error(error: unknown, doing: string, signal?: AbortSignal): CairnError {
  if (error instanceof CairnError) return error;
  if (signal?.aborted === true) return canceled(signal);
  if (error instanceof TooLongPause) return s3Error(error.answer, doing, signal);
  const { name, $metadata } = error as Partial<S3ServiceException>;
  const status = $metadata?.httpStatusCode ?? 0;
  const broken = status === 0 ? connectionFailure(error) : undefined;
  if (broken !== undefined) {
    const { reason, hint } = broken;
    const failed = `failed to ${doing}: ${reason}`;
    return new ServiceError(failed, { code: 'UNAVAILABLE', hint, cause: error, reason, status });
  }
  const known = name !== undefined && !/^(Error|Unknown|UnknownError|\d+)$/.test(name);
  const reason = known ? name : status === 0 ? 'Error' : `HTTP ${status}`;
  const said = messageOf(error);
  // Of a body that is not S3's, the SDK tells how to find it in a debugger.
  const text = said.includes('{error}.$response') ? '' : said.slice(0, MAX_ERROR_CHARACTERS);
  const told = text === '' || text === reason || /^(UnknownError|Unknown|\d+)$/.test(text) ? '' : `: ${text}`;
  return new ServiceError(`failed to ${doing}: ${reason}${told}`, {
    code: codeOf(reason, status),
    hint: hintOf(reason, error),
    cause: error,
    reason,
    status,
  });
}

function codeOf(reason: string, status: number): ErrorCode {
  if (reason === 'CredentialsProviderError') return 'DENIED';
  if (reason === 'TimeoutError') return 'TIMEOUT';
  if (status === 404) return 'NOT_FOUND';
  if (status === 401 || status === 403 || reason === 'ExpiredToken' || reason === 'InvalidToken')
    return 'DENIED';
  if (status === 301 || status === 307 || reason === 'AuthorizationHeaderMalformed') return 'USAGE';
  return 'UNAVAILABLE';
}

function hintOf(reason: string, error: unknown): string | undefined {
  const { $response } = error as Partial<S3ServiceException>;
  const region = $response?.headers['x-amz-bucket-region'];
  const hint = HINTS[reason];
  return hint?.includes('region=') === true && region !== undefined ? `${hint}${region}` : hint;
}

/** True when the object is not there. Not so for a bucket that is not there. */
export function isMissing(error: unknown): boolean {
  return error instanceof ServiceError && error.status === 404 && error.reason !== 'NoSuchBucket';
}
