/** Reading from a registry (distribution-spec v1.1, "Pull"): every endpoint in turn, mirrors first. */
import { createHash } from 'node:crypto';
import { CairnError } from '../errors/error.ts';
import type { Descriptor, Digest } from '../content/contract.ts';
import type { Manifest, Reference } from './contract.ts';
import { canceled } from './cancel.ts';
import { readBounded, type Answer, type Connections } from './connection.ts';
import type { Endpoint } from './endpoints.ts';
import { MAX_MANIFEST_BYTES } from './limits.ts';
import { parseDigest } from './reference.ts';
import { RegistryError } from './registry_error.ts';
import { repositoryScope } from './scopes.ts';

/** Where reads of one repository go. */
export interface PullTarget {
  reference: Reference;
  endpoints: readonly Endpoint[];
  connections: Connections;
}

export interface PullOptions {
  signal?: AbortSignal | undefined;
}

const MANIFEST_TYPES = [
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
  '*/*',
].join(', ');

/** Which of several endpoints' errors tells most: an answer more than silence, a refusal more than a 404. */
function weight(error: unknown): number {
  if (error instanceof CairnError && error.code === 'CORRUPT') return 4;
  if (!(error instanceof RegistryError)) return 1;
  return error.status === 404 ? 2 : 3;
}

/** Asks the endpoints in order until one succeeds. @throws the error that tells most */
export async function firstOf<T>(
  target: PullTarget,
  signal: AbortSignal | undefined,
  ask: (endpoint: Endpoint) => Promise<T>,
): Promise<T> {
  let worst: unknown;
  for (const endpoint of target.endpoints) {
    try {
      return await ask(endpoint);
    } catch (error) {
      if (signal?.aborted === true) throw canceled(signal);
      if (worst === undefined || weight(error) > weight(worst)) worst = error;
    }
  }
  throw worst;
}

export function isMissing(error: unknown): boolean {
  return error instanceof RegistryError && error.status === 404;
}

/** `docker.io/library/nope:latest`, as errors name it. */
function nameOf(target: PullTarget, tagOrDigest: string): string {
  const { host, repository } = target.reference;
  return tagOrDigest.includes(':')
    ? `${host}/${repository}@${tagOrDigest}`
    : `${host}/${repository}:${tagOrDigest}`;
}

function mediaTypeOf(answer: Answer): string {
  return (answer.headers['content-type'] ?? '').split(';')[0]?.trim() ?? '';
}

function manifestCall(target: PullTarget, method: string, tagOrDigest: string, options: PullOptions) {
  const { repository } = target.reference;
  return {
    method,
    target: `/${repository}/manifests/${tagOrDigest}`,
    scopes: [repositoryScope(repository, 'pull')],
    lane: 'control' as const,
    accept: [200],
    headers: { accept: MANIFEST_TYPES },
    signal: options.signal,
  };
}

/** The digest in a header, if there is one. @throws CairnError CORRUPT when it is not a digest */
function headerDigest(answer: Answer, what: string): Digest | undefined {
  const value = answer.headers['docker-content-digest'];
  if (typeof value !== 'string' || value === '') return undefined;
  try {
    return parseDigest(value);
  } catch (cause) {
    throw new CairnError(`${what}: "${value}" in header not a valid digest`, { code: 'CORRUPT', cause });
  }
}

/** Digest, size and media type of a manifest without reading it, where the registry tells. */
export async function resolve(
  target: PullTarget,
  tagOrDigest: string,
  options: PullOptions = {},
): Promise<Descriptor | undefined> {
  const what = nameOf(target, tagOrDigest);
  try {
    return await firstOf(target, options.signal, async (endpoint) => {
      let answer: Answer;
      try {
        answer = await target.connections.send(endpoint, manifestCall(target, 'HEAD', tagOrDigest, options));
      } catch (error) {
        // Some registries do not answer HEAD, and none says why it refuses in the answer to one.
        if (!(error instanceof RegistryError) || ![400, 403, 405, 501].includes(error.status)) throw error;
        return (await manifestFrom(target, endpoint, tagOrDigest, options)).descriptor;
      }
      answer.discard();
      const digest = tagOrDigest.includes(':') ? parseDigest(tagOrDigest) : headerDigest(answer, what);
      const length = answer.headers['content-length'];
      const mediaType = mediaTypeOf(answer);
      if (digest === undefined || length === undefined || mediaType === '') {
        return (await manifestFrom(target, endpoint, tagOrDigest, options)).descriptor;
      }
      const told = headerDigest(answer, what);
      if (told !== undefined && told !== digest && told.split(':')[0] === digest.split(':')[0]) {
        throw new CairnError(`${what}: the registry answered with digest ${told}`, { code: 'CORRUPT' });
      }
      const size = Number(length);
      if (size > MAX_MANIFEST_BYTES) {
        throw new CairnError(`rejecting ${size} byte manifest for ${what}`, { code: 'CORRUPT' });
      }
      return { mediaType, digest, size };
    });
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function hashOf(algorithm: string, bytes: Uint8Array): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}

/** What the JSON itself says, for registries that send a general content type. */
function innerMediaType(bytes: Uint8Array): string | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString());
    if (typeof value !== 'object' || value === null) return undefined;
    if ('mediaType' in value && typeof value.mediaType === 'string') return value.mediaType;
    if ('manifests' in value) return 'application/vnd.oci.image.index.v1+json';
    return 'config' in value ? 'application/vnd.oci.image.manifest.v1+json' : undefined;
  } catch {
    return undefined;
  }
}

async function manifestFrom(
  target: PullTarget,
  endpoint: Endpoint,
  tagOrDigest: string,
  options: PullOptions,
): Promise<Manifest> {
  const what = `manifest ${nameOf(target, tagOrDigest)}`;
  const answer = await target.connections.send(endpoint, manifestCall(target, 'GET', tagOrDigest, options));
  const bytes = await readBounded(answer, MAX_MANIFEST_BYTES, what);
  const expected = tagOrDigest.includes(':') ? parseDigest(tagOrDigest) : headerDigest(answer, what);
  const digest = hashOf(expected?.split(':')[0] ?? 'sha256', bytes);
  if (expected !== undefined && digest !== expected) {
    throw new CairnError(
      `${what}: ${endpoint.host} sent content with digest ${digest}, expected ${expected}`,
      {
        code: 'CORRUPT',
        hint: 'the registry or something on the way to it is broken; nothing of this was used',
      },
    );
  }
  const declared = mediaTypeOf(answer);
  const general = declared === '' || declared === 'application/json' || declared === 'text/plain';
  const mediaType = general ? (innerMediaType(bytes) ?? declared) : declared;
  return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
}

/** A manifest or index, checked against its digest. */
export async function fetchManifest(
  target: PullTarget,
  tagOrDigest: string,
  options: PullOptions = {},
): Promise<Manifest> {
  try {
    return await firstOf(target, options.signal, (endpoint) =>
      manifestFrom(target, endpoint, tagOrDigest, options),
    );
  } catch (error) {
    throw isMissing(error) ? notFound(nameOf(target, tagOrDigest), error) : error;
  }
}

export function notFound(what: string, cause: unknown): CairnError {
  return new CairnError(`${what}: not found`, { code: 'NOT_FOUND', cause });
}

/** True when one of the endpoints has the blob. */
export async function hasBlob(
  target: PullTarget,
  digest: Digest,
  options: PullOptions & { push?: boolean } = {},
): Promise<boolean> {
  const { repository } = target.reference;
  try {
    await firstOf(target, options.signal, async (endpoint) => {
      const answer = await target.connections.send(endpoint, {
        method: 'HEAD',
        target: `/${repository}/blobs/${digest}`,
        scopes: [
          options.push === true
            ? repositoryScope(repository, 'pull', 'push')
            : repositoryScope(repository, 'pull'),
        ],
        lane: 'control',
        accept: [200],
        signal: options.signal,
      });
      answer.discard();
    });
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
