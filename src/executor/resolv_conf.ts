/** Contents of /etc/resolv.conf in a step (BuildKit executor/oci/resolvconf.go and util/resolvconf, v0.32.2). */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';

const HOST_FILE = '/etc/resolv.conf';
/** What systemd-resolved would use itself; its stub in {@link HOST_FILE} is a loopback address. */
const SYSTEMD_FILE = '/run/systemd/resolve/resolv.conf';
const SYSTEMD_STUB = '127.0.0.53';
const DEFAULT_SERVERS = ['8.8.8.8', '8.8.4.4', '2001:4860:4860::8888', '2001:4860:4860::8844'];

interface ResolvConf {
  servers: string[];
  search: string[];
  options: string[];
  /** Lines with other directives, as they are. */
  other: string[];
}

/**
 * The file for a step. `hostNetwork`: the step asked for the host's network by name; only then loopback name
 * servers stay, as BuildKit has it.
 */
export function resolvConf(hostNetwork: boolean, read: (path: string) => string = readOrEmpty): string {
  let conf = parse(read(HOST_FILE));
  if (!hostNetwork && conf.servers.length === 1 && conf.servers[0] === SYSTEMD_STUB) {
    conf = parse(read(SYSTEMD_FILE));
  }
  if (!hostNetwork || conf.servers.length === 0) {
    conf.servers = conf.servers.filter((server) => !isLoopback(server));
    if (conf.servers.length === 0) conf.servers = DEFAULT_SERVERS;
  }
  const lines = conf.servers.map((server) => `nameserver ${server}`);
  if (conf.search.length > 0) lines.push(`search ${conf.search.join(' ')}`);
  if (conf.options.length > 0) lines.push(`options ${conf.options.join(' ')}`);
  return [...lines, ...conf.other].map((line) => line + '\n').join('');
}

function parse(text: string): ResolvConf {
  const conf: ResolvConf = { servers: [], search: [], options: [], other: [] };
  for (const line of text.split('\n')) {
    if (line.startsWith('#') || line.startsWith(';')) continue;
    const [directive, ...values] = line.trim().split(/\s+/);
    switch (directive) {
      case '':
      case undefined:
        break;
      case 'nameserver':
        if (isIP(values[0] ?? '') !== 0) conf.servers.push(values[0] ?? '');
        break;
      case 'domain':
      case 'search':
        if (values.length > 0) conf.search = values;
        break;
      case 'options':
        conf.options.push(...values);
        break;
      default:
        conf.other.push(line);
    }
  }
  return conf;
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1' || address.startsWith('::ffff:127.');
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
