/** The registry client: repositories with shared connections, tokens and limits. */
import { CairnError } from '../errors/error.ts';
import type { Descriptor } from '../content/contract.ts';
import type { CredentialSource, Reference, RegistryClient, Repository } from './contract.ts';
import { Connections } from './connection.ts';
import { endpointsFor, type RegistryHosts } from './endpoints.ts';
import { DEFAULT_TIMEOUTS, type Timeouts } from './limits.ts';
import { readBlob } from './blob.ts';
import { fetchManifest, hasBlob, resolve } from './pull.ts';
import { pushBlob, pushManifest, type PushOptions } from './push.ts';
import { createTransport } from './transport.ts';

export interface RegistryClientOptions {
  credentials: CredentialSource;
  /** Default: none. */
  hosts?: RegistryHosts;
  /** Milliseconds. */
  timeouts?: Partial<Timeouts>;
  /** Default `cairn`. */
  userAgent?: string;
}

type PushResult = 'exists' | 'mounted' | 'uploaded';

/** A client that speaks the distribution protocol to any number of registries. */
export function createRegistryClient(options: RegistryClientOptions): RegistryClient {
  const transport = createTransport();
  const connections = new Connections(transport, options.credentials, {
    timeouts: { ...DEFAULT_TIMEOUTS, ...options.timeouts },
    userAgent: options.userAgent ?? 'cairn',
  });
  const hosts: RegistryHosts = options.hosts ?? new Map();
  /** Uploads under way: images of several platforms share layers. */
  const uploads = new Map<string, Promise<PushResult>>();

  const shared = async (
    key: string,
    signal: AbortSignal | undefined,
    push: () => Promise<PushResult>,
  ): Promise<PushResult> => {
    for (;;) {
      const running = uploads.get(key);
      if (running === undefined) break;
      try {
        await running;
        return 'exists';
      } catch (error) {
        const theirs = error instanceof CairnError && error.code === 'CANCELED';
        if (!theirs || signal?.aborted === true) throw error;
      }
    }
    const mine = push().finally(() => uploads.delete(key));
    uploads.set(key, mine);
    return mine;
  };

  return {
    repository(reference: Reference, how = {}): Repository {
      const endpoints = endpointsFor(reference.host, hosts, how);
      const pull = { reference, endpoints, connections };
      const [server] = endpointsFor(reference.host, hosts, { ...how, forPush: true });
      if (server === undefined) throw new Error('no endpoint');
      const target = { reference, endpoint: server, connections };
      const name = `${reference.host}/${reference.repository}`;
      return {
        reference,
        origin: { host: reference.host, repository: reference.repository },
        resolve: (tagOrDigest, o) => resolve(pull, tagOrDigest, o),
        manifest: (tagOrDigest, o) => fetchManifest(pull, tagOrDigest, o),
        hasBlob: (digest, o) => hasBlob(pull, digest, o),
        read: (blob, o) => readBlob(pull, blob, o),
        pushBlob: (blob: Descriptor, provider, o: PushOptions = {}) =>
          shared(`${name}@${blob.digest}`, o.signal, () => pushBlob(target, blob, provider, o)),
        pushManifest: (tagOrDigest, bytes, mediaType, o) =>
          pushManifest(target, tagOrDigest, bytes, mediaType, o),
      };
    },
    close() {
      transport.close();
    },
  };
}
