/** Flags whose values become frontend or exporter attributes as they are: --build-arg, --label, --add-host, --ulimit, --annotation, --allow. */
import { isIP } from 'node:net';
import { CairnError } from '../../errors/error.ts';
import { didYouMean } from '../../errors/suggest.ts';

const usage = (message: string, hint?: string) => new CairnError(message, { code: 'USAGE', hint });

/**
 * `KEY=VALUE` flags; with `fromEnvironment`, `KEY` alone takes the variable's value, and nothing when it is unset.
 * @throws CairnError USAGE on an empty key
 */
export function keyValues(
  values: string[],
  flag: string,
  fromEnvironment?: NodeJS.ProcessEnv,
): Record<string, string> {
  const out: Record<string, string> = {};
  for (const value of values) {
    const equals = value.indexOf('=');
    const key = equals === -1 ? value : value.slice(0, equals);
    if (key === '') throw usage(`invalid key-value pair ${JSON.stringify(value)} in ${flag}: empty key`);
    if (equals !== -1) {
      out[key] = value.slice(equals + 1);
    } else if (fromEnvironment === undefined) {
      out[key] = '';
    } else {
      const inherited = fromEnvironment[key];
      if (inherited !== undefined) out[key] = inherited;
    }
  }
  return out;
}

/** Steps share the network of this machine: what it serves they find on the loopback, as it does. */
const HOST_GATEWAY = '127.0.0.1';

/** `host:ip`, `host=ip`, `host:host-gateway`, several addresses after a comma, IPv6 in brackets → `host=ip,host=ip`. @throws CairnError USAGE */
export function extraHosts(values: string[]): string {
  const hosts = values.flatMap((value) => {
    const cut = value.includes('=') ? value.indexOf('=') : value.indexOf(':');
    const host = value.slice(0, Math.max(0, cut));
    const addresses = value.slice(cut + 1);
    if (cut === -1 || host === '' || addresses === '') {
      throw usage(`invalid host ${value} in --add-host`, 'write NAME:ADDRESS');
    }
    if (addresses === 'host-gateway') return [`${host}=${HOST_GATEWAY}`];
    return addresses.split(',').map((address) => {
      const bare =
        address.length > 2 && address.startsWith('[') && address.endsWith(']')
          ? address.slice(1, -1)
          : address;
      if (isIP(bare) === 0)
        throw usage(`invalid host ${value} in --add-host: ${JSON.stringify(address)} is no IP address`);
      return `${host}=${bare}`;
    });
  });
  return hosts.join(',');
}

const ULIMITS =
  'core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(
    ' ',
  );

/** `name=soft[:hard]` → the attribute's comma list. @throws CairnError USAGE */
export function ulimits(values: string[]): string {
  const byName = new Map<string, string>();
  for (const value of values) {
    const match = /^([^=]+)=(-?\d+)(?::(-?\d+))?$/.exec(value);
    if (match === null) throw usage(`invalid ulimit argument: ${value}`, 'write NAME=SOFT or NAME=SOFT:HARD');
    const [, name = '', soft = '', hard = soft] = match;
    if (!ULIMITS.includes(name)) throw usage(`invalid ulimit type: ${name}`, didYouMean(name, ULIMITS));
    const [softLimit, hardLimit] = [BigInt(soft), BigInt(hard)];
    if (hardLimit !== -1n && (softLimit === -1n || softLimit > hardLimit)) {
      throw usage(`ulimit soft limit must be less than or equal to hard limit: ${value}`);
    }
    byName.set(name, `${name}=${soft}:${hard}`);
  }
  return [...byName.values()].sort().join(',');
}

const ANNOTATION_TYPES = ['index', 'index-descriptor', 'manifest', 'manifest-descriptor'];

/**
 * `[type[platform][,type…]:]key=value` → exporter attributes `annotation-manifest[linux/amd64].key`.
 * @throws CairnError USAGE
 */
export function annotations(values: string[]): Record<string, string> {
  const attrs: Record<string, string> = {};
  for (const value of values.filter((text) => text !== '')) {
    const equals = value.indexOf('=');
    if (equals === -1) throw usage(`invalid annotation ${JSON.stringify(value)}, expected key=value`);
    const name = value.slice(0, equals);
    const text = value.slice(equals + 1);
    const colon = name.indexOf(':');
    if (colon === -1) {
      attrs[`annotation.${name}`] = text;
      continue;
    }
    for (const type of name.slice(0, colon).split(',')) {
      const match = /^([a-z-]+)(?:\[([A-Za-z0-9_/-]+)\])?$/.exec(type);
      if (match === null) {
        throw usage(
          `invalid annotation type ${JSON.stringify(type)}, expected type and optional platform in square brackets`,
        );
      }
      const [, kind = '', platform] = match;
      if (!ANNOTATION_TYPES.includes(kind)) {
        throw usage(`unknown annotation type ${JSON.stringify(kind)}`, didYouMean(kind, ANNOTATION_TYPES));
      }
      attrs[`annotation-${kind}${platform === undefined ? '' : `[${platform}]`}.${name.slice(colon + 1)}`] =
        text;
    }
  }
  return attrs;
}

const ENTITLEMENTS = ['network.host', 'security.insecure'];

/** `--allow`. @throws CairnError USAGE, UNSUPPORTED for devices */
export function entitlements(values: string[]): { entitlements: string[]; localDelete: boolean } {
  const out = { entitlements: [] as string[], localDelete: false };
  for (const value of values.filter((text) => text !== '')) {
    if (value === 'buildx.local.delete') out.localDelete = true;
    else if (ENTITLEMENTS.includes(value)) out.entitlements.push(value);
    else if (value === 'device' || value.startsWith('device=')) {
      throw new CairnError('--allow device is not supported: cairn gives steps no host devices', {
        code: 'UNSUPPORTED',
      });
    } else {
      throw usage(
        `unknown entitlement ${JSON.stringify(value)} in --allow`,
        didYouMean(value, [...ENTITLEMENTS, 'buildx.local.delete']),
      );
    }
  }
  return out;
}
