/** Writing to a registry (distribution-spec v1.1, "Push"). */
import { createHash } from 'node:crypto';
import { CairnError } from '../errors/error.ts';
import type { BlobOrigin, BlobProvider, Descriptor } from '../content/contract.ts';
import type { Reference } from './contract.ts';
import type { Answer, Connections } from './connection.ts';
import type { Endpoint } from './endpoints.ts';
import { MAX_MOUNT_CANDIDATES, MAX_UPLOAD_ATTEMPTS, SMALL_BLOB_BYTES } from './limits.ts';
import { hasBlob } from './pull.ts';
import { RegistryError } from './registry_error.ts';
import { retrying } from './retry.ts';
import { repositoryScope } from './scopes.ts';
import type { HttpRequest } from './transport.ts';

/** Where writes to one repository go. */
export interface PushTarget {
  reference: Reference;
  endpoint: Endpoint;
  connections: Connections;
}

export interface PushOptions {
  from?: BlobOrigin[];
  likelyNew?: boolean;
  signal?: AbortSignal | undefined;
  /** Called with the number of bytes sent so far of this blob. */
  onProgress?: (bytes: number) => void;
}

function pushScope(target: PushTarget): string {
  return repositoryScope(target.reference.repository, 'pull', 'push');
}

/**
 * Brings a blob to the repository by the cheapest way: nothing is asked when it came from there; where it may be
 * mounted from, that is tried first, since a registry mounts what it has already as well.
 */
export async function pushBlob(
  target: PushTarget,
  blob: Descriptor,
  provider: BlobProvider,
  options: PushOptions = {},
): Promise<'exists' | 'mounted' | 'uploaded'> {
  const { signal, from = [] } = options;
  const { host, repository } = target.reference;
  if (from.some((origin) => origin.host === host && origin.repository === repository)) return 'exists';
  let session = await mount(target, blob, options);
  if (session === 'mounted') return 'mounted';
  const there = { ...target, endpoints: [target.endpoint] };
  const ask = options.likelyNew !== true || blob.size > SMALL_BLOB_BYTES;
  if (ask && (await hasBlob(there, blob.digest, { signal, push: true }))) return 'exists';
  await retrying(MAX_UPLOAD_ATTEMPTS, signal, async () => {
    // Small blobs are read while the registry answers.
    const [location, body] = await Promise.all([
      session ?? startUpload(target, signal),
      bodyOf(blob, provider, options),
    ]);
    session = undefined;
    await upload(target, blob, body, location as URL, options);
  });
  return 'uploaded';
}

/**
 * Asks the registry to take the blob over from another of its repositories.
 * @returns `mounted`, or the upload session that the registry began instead, if any
 */
async function mount(
  target: PushTarget,
  blob: Descriptor,
  options: PushOptions,
): Promise<'mounted' | URL | undefined> {
  const { host, repository } = target.reference;
  const candidates = (options.from ?? [])
    .filter((origin) => origin.host === host && origin.repository !== repository)
    .slice(0, MAX_MOUNT_CANDIDATES);
  let session: URL | undefined;
  for (const origin of candidates) {
    try {
      const answer = await target.connections.send(target.endpoint, {
        method: 'POST',
        target: `/${repository}/blobs/uploads/`,
        query: { mount: blob.digest, from: origin.repository },
        scopes: [pushScope(target), repositoryScope(origin.repository, 'pull')],
        lane: 'control',
        accept: [201, 202],
        signal: options.signal,
      });
      answer.discard();
      if (answer.status === 201) return 'mounted';
      session = locationOf(target, answer);
    } catch (error) {
      // Not allowed to read there, or not able to mount: the blob is uploaded then.
      if (!(error instanceof RegistryError)) throw error;
    }
  }
  return session;
}

async function startUpload(target: PushTarget, signal: AbortSignal | undefined): Promise<URL> {
  try {
    const answer = await target.connections.send(target.endpoint, {
      method: 'POST',
      target: `/${target.reference.repository}/blobs/uploads/`,
      scopes: [pushScope(target)],
      lane: 'control',
      accept: [200, 202, 204],
      signal,
    });
    answer.discard();
    return locationOf(target, answer);
  } catch (error) {
    throw denied(target, error);
  }
}

/** 401 and 403 in containerd's words. */
function denied(target: PushTarget, error: unknown): unknown {
  if (!(error instanceof CairnError) || error.code !== 'DENIED') return error;
  const { host, repository } = target.reference;
  return new CairnError(
    `push access denied to ${host}/${repository}, repository does not exist or may require authorization: ` +
      error.message,
    { code: 'DENIED', hint: `log in to ${host} with an account that may push there`, cause: error },
  );
}

function locationOf(target: PushTarget, answer: Answer): URL {
  const { location } = answer.headers;
  const { host, repository } = target.reference;
  if (location === undefined || location === '') {
    throw new CairnError(`upload to ${host}/${repository}: the registry gave no location`, {
      code: 'UNAVAILABLE',
    });
  }
  try {
    return new URL(location, answer.url);
  } catch (cause) {
    throw new CairnError(`upload to ${host}/${repository}: unable to parse location ${location}`, {
      code: 'UNAVAILABLE',
      cause,
    });
  }
}

/** The blob's bytes as a request body, counted. */
async function bodyOf(
  blob: Descriptor,
  provider: BlobProvider,
  options: PushOptions,
): Promise<HttpRequest['body']> {
  const read = (): AsyncIterable<Uint8Array> =>
    provider.read(blob, options.signal === undefined ? {} : { signal: options.signal });
  if (blob.size <= SMALL_BLOB_BYTES) {
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of read()) {
      parts.push(chunk);
      size += chunk.length;
      if (size > blob.size) break;
    }
    if (size !== blob.size) throw wrongSize(blob, size);
    return Buffer.concat(parts);
  }
  return {
    size: blob.size,
    async *stream() {
      let sent = 0;
      for await (const chunk of read()) {
        if (sent + chunk.length > blob.size) throw wrongSize(blob, sent + chunk.length);
        yield chunk;
        sent += chunk.length;
        options.onProgress?.(sent);
      }
      if (sent !== blob.size) throw wrongSize(blob, sent);
    },
  };
}

function wrongSize(blob: Descriptor, size: number): CairnError {
  return new CairnError(`blob ${blob.digest} has ${size} bytes or more, its descriptor says ${blob.size}`, {
    code: 'CORRUPT',
  });
}

/** One PUT with everything: each registry knows it, and none makes it slower than chunks. */
async function upload(
  target: PushTarget,
  blob: Descriptor,
  body: HttpRequest['body'],
  location: URL,
  options: PushOptions,
): Promise<void> {
  const url = new URL(location);
  url.searchParams.set('digest', blob.digest);
  try {
    const answer = await target.connections.send(target.endpoint, {
      method: 'PUT',
      target: url,
      scopes: [pushScope(target)],
      lane: 'upload',
      accept: [200, 201, 204],
      headers: { 'content-type': 'application/octet-stream' },
      body,
      signal: options.signal,
      // A session that broke off is not usable any more: the caller begins a new one.
      attempts: 1,
    });
    answer.discard();
  } catch (error) {
    throw denied(target, error);
  }
  options.onProgress?.(blob.size);
}

/** Writes a manifest under a tag, or under its digest. */
export async function pushManifest(
  target: PushTarget,
  tagOrDigest: string,
  bytes: Uint8Array,
  mediaType: string,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<Descriptor> {
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}` as const;
  const { host, repository } = target.reference;
  let answer: Answer;
  try {
    answer = await target.connections.send(target.endpoint, {
      method: 'PUT',
      target: `/${repository}/manifests/${tagOrDigest}`,
      scopes: [pushScope(target)],
      lane: 'control',
      accept: [200, 201, 202, 204],
      headers: { 'content-type': mediaType },
      body: bytes,
      signal: options.signal,
    });
  } catch (error) {
    throw denied(target, error);
  }
  answer.discard();
  const told = answer.headers['docker-content-digest'];
  if (typeof told === 'string' && told.startsWith('sha256:') && told !== digest) {
    throw new CairnError(`${host}/${repository}: the registry stored ${digest} as ${told}`, {
      code: 'CORRUPT',
    });
  }
  return { mediaType, digest, size: bytes.length };
}
