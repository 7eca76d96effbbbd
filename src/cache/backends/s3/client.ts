/** The client of AWS' SDK, set up as BuildKit sets up its own. */
import type { AgentOptions } from 'node:https';
import { readFileSync } from 'node:fs';
import { CairnError } from '../../../errors/error.ts';
import { proxyFor } from '../../../registry/proxy.ts';
import { MAX_ATTEMPTS, OBJECT_CONNECT_TIMEOUT_MS, OBJECT_IDLE_TIMEOUT_MS } from '../limits.ts';
import { obeyRetryAfter } from './patience.ts';
import { S3Client, type S3ClientConfig } from './sdk.ts';

export interface S3Settings {
  bucket: string;
  region: string;
  /** Undefined: AWS' own. */
  endpoint: string | undefined;
  /** `endpoint/bucket/key`; else `bucket.endpoint/key`. */
  pathStyle: boolean;
  /** Undefined: from AWS' chain, which renews them. */
  credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string } | undefined;
  retryMode: 'standard' | 'adaptive' | undefined;
  /** Tries of one request, the first included. */
  maxAttempts: number | undefined;
}

/** @throws CairnError USAGE for a file of certificates that cannot be read */
export async function newS3Client(settings: S3Settings, env: NodeJS.ProcessEnv): Promise<S3Client> {
  const { endpoint, retryMode, credentials, bucket, region } = settings;
  const maxAttempts =
    settings.maxAttempts ?? (env['AWS_MAX_ATTEMPTS'] === undefined ? MAX_ATTEMPTS : undefined);
  const url = new URL(endpoint ?? `https://${bucket}.s3.${region}.amazonaws.com`);
  const agent = await agentOptions(url, endpoint !== undefined, env);
  const config: S3ClientConfig = {
    region,
    forcePathStyle: settings.pathStyle,
    // Checksums that follow the body as trailers are refused by services other than AWS' own.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: OBJECT_CONNECT_TIMEOUT_MS,
      socketTimeout: OBJECT_IDLE_TIMEOUT_MS,
      httpAgent: agent,
      httpsAgent: agent,
    },
    logger: { debug() {}, info() {}, warn() {}, error() {}, trace() {} },
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
    ...(retryMode === undefined ? {} : { retryMode }),
    ...(maxAttempts === undefined ? {} : { maxAttempts }),
  };
  const client = new S3Client(config);
  obeyRetryAfter(client);
  return client;
}

/**
 * Proxies and certificates as BuildKit's client has them: Node would take no proxy, and not trust the machine's
 * own authorities, which services inside of companies are signed by.
 */
async function agentOptions(url: URL, own: boolean, env: NodeJS.ProcessEnv): Promise<AgentOptions> {
  const proxy = proxyFor(url, env);
  const bundle = env['AWS_CA_BUNDLE'];
  const secure = url.protocol === 'https:';
  const ca: string[] = [];
  if (secure && (own || bundle !== undefined)) {
    const { getCACertificates } = await import('node:tls');
    ca.push(...getCACertificates('default'), ...getCACertificates('system'));
  }
  if (secure && bundle !== undefined) ca.push(readBundle(bundle));
  return {
    keepAlive: true,
    ...(proxy === undefined ? {} : { proxyEnv: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy } }),
    ...(ca.length === 0 ? {} : { ca }),
  };
}

function readBundle(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new CairnError(`AWS_CA_BUNDLE: failed to read ${path}`, { code: 'USAGE', cause });
  }
}
