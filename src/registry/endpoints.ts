/** From the host in a reference to the servers that are asked, in order: mirrors first, then the host itself. */
import type { RegistryHostConfig } from './contract.ts';
import type { TlsOptions } from './transport.ts';
import { isLoopback } from './proxy.ts';

/** Tables of the configuration by host. */
export type RegistryHosts = ReadonlyMap<string, RegistryHostConfig>;

export interface Endpoint {
  /** As it goes into URLs, with a port where one is given; credentials are asked for by this name. */
  host: string;
  scheme: 'https' | 'http';
  /** Try https first and remember http when the server does not speak TLS. */
  fallback: boolean;
  /** `/v2`, or `/v2/prefix` for a mirror below a path. */
  path: string;
  tls: TlsOptions;
  /** `ns` parameter for servers that stand in for another host. */
  namespace: string | undefined;
}

const HUB = 'docker.io';
const HUB_SERVER = 'registry-1.docker.io';

function endpoint(
  host: string,
  path: string,
  config: RegistryHostConfig | undefined,
  refHost: string,
): Endpoint {
  const http = config?.http ?? isLoopback(host);
  const insecure = config?.insecure === true;
  const self = host === refHost || (refHost === HUB && host === HUB_SERVER);
  return {
    host,
    scheme: http && !insecure ? 'http' : 'https',
    fallback: http && insecure,
    path,
    tls: {
      ...(insecure ? { insecure } : {}),
      ...(config === undefined || config.ca.length === 0 ? {} : { ca: config.ca }),
      ...(config === undefined || config.keyPairs.length === 0 ? {} : { keyPairs: config.keyPairs }),
    },
    namespace: self ? undefined : refHost,
  };
}

/** `mirror.example.com/prefix` as BuildKit's resolver reads it: the path goes behind /v2. */
function splitMirror(mirror: string): { host: string; path: string } {
  const bare = mirror.replace(/^https?:\/\//, '');
  const slash = bare.indexOf('/');
  const prefix = slash === -1 ? '' : bare.slice(slash).replace(/\/+$/, '');
  return { host: slash === -1 ? bare : bare.slice(0, slash), path: `/v2${prefix}` };
}

/**
 * The endpoints for `host`. Pushes go to the host itself only. `insecure` accepts any certificate and plain
 * http, as `registry.insecure=true` of an exporter asks for.
 */
export function endpointsFor(
  host: string,
  hosts: RegistryHosts,
  options: { insecure?: boolean; forPush?: boolean } = {},
): Endpoint[] {
  const own = hosts.get(host);
  const config: RegistryHostConfig | undefined =
    options.insecure === true
      ? { mirrors: [], ca: [], keyPairs: [], ...own, http: true, insecure: true }
      : own;
  const server = endpoint(host === HUB ? HUB_SERVER : host, '/v2', config, host);
  if (options.forPush === true) return [server];
  const mirrors = (own?.mirrors ?? []).map((mirror) => {
    const { host: name, path } = splitMirror(mirror);
    return endpoint(name, path, hosts.get(name), host);
  });
  return [...mirrors, server];
}
