/**
 * Which proxy a URL goes through: HTTP_PROXY, HTTPS_PROXY and NO_PROXY by the rules of the Go package
 * golang.org/x/net/http/httpproxy, which BuildKit's clients follow. Node's agents speak to the proxy, but
 * read NO_PROXY differently.
 */
import { BlockList, isIP, isIPv4 } from 'node:net';

type Environment = Readonly<Record<string, string | undefined>>;

function variable(env: Environment, name: string): string {
  const value = env[name] ?? '';
  return value === '' ? (env[name.toLowerCase()] ?? '') : value;
}

/** True for `localhost` and the loopback addresses, with or without a port. */
export function isLoopback(host: string): boolean {
  const bare = host.startsWith('[') ? host.slice(1, host.indexOf(']')) : host;
  if (bare === '::1') return true;
  const name = bare.replace(/:\d+$/, '');
  // Not isIP(): for names it compiles a regular expression that takes as long as a tenth of a cached build.
  return name === 'localhost' || (name.startsWith('127.') && isIPv4(name));
}

function matchesRange(hostname: string, cidr: string): boolean {
  const [network = '', bits = ''] = cidr.split('/');
  const family = isIP(network);
  if (family === 0 || isIP(hostname) !== family || !/^\d{1,3}$/.test(bits)) return false;
  const type = family === 4 ? 'ipv4' : 'ipv6';
  try {
    const list = new BlockList();
    list.addSubnet(network, Number(bits), type);
    return list.check(hostname, type);
  } catch {
    return false;
  }
}

/** True when one entry of NO_PROXY names the host. */
function bypassed(entry: string, hostname: string, port: string): boolean {
  if (entry === '*') return true;
  if (entry.includes('/')) return matchesRange(hostname, entry);
  const match = /^(\[[^\]]+\]|[^:]*|[0-9a-f:]+?)(?::(\d+))?$/i.exec(entry);
  let name = (match?.[1] ?? entry).replace(/^\[|\]$/g, '');
  if (match?.[2] !== undefined && match[2] !== port) return false;
  if (name.startsWith('*.')) name = name.slice(1);
  if (name === '') return false;
  if (name.startsWith('.')) return hostname.endsWith(name);
  return hostname === name || (isIP(name) === 0 && hostname.endsWith(`.${name}`));
}

/** The proxy for `url`; undefined: none, the connection is direct. */
export function proxyFor(url: URL, env: Environment = process.env): string | undefined {
  const secure = url.protocol === 'https:';
  const proxy = variable(env, secure ? 'HTTPS_PROXY' : 'HTTP_PROXY');
  // CGI programs get a request's `Proxy` header as HTTP_PROXY.
  if (proxy === '' || (!secure && env['REQUEST_METHOD'] !== undefined)) return undefined;
  const hostname = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (isLoopback(hostname)) return undefined;
  const port = url.port === '' ? (secure ? '443' : '80') : url.port;
  const skip = variable(env, 'NO_PROXY')
    .toLowerCase()
    .split(',')
    .map((entry) => entry.trim())
    .some((entry) => entry !== '' && bypassed(entry, hostname, port));
  if (skip) return undefined;
  return proxy.includes('://') ? proxy : `http://${proxy}`;
}
