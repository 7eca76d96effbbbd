/** Attributes that limit what steps may use: ulimits and cgroup resources. */
import { create } from '@bufbuild/protobuf';
import { CairnError, messageOf } from '../../../errors/error.ts';
import { LinuxResourcesSchema, UlimitSchema } from '../../../llb/gen/ops_pb.js';
import type { LinuxResources, Ulimit } from '../../../llb/gen/ops_pb.js';
import { goQuote } from '../../../errors/go_quote.ts';
import { csvFields } from '../instructions/csv.ts';
import { parseInt64, parseUint64 } from './int.ts';

const ULIMITS = new Set(
  'core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(
    ' ',
  ),
);
/** Largest CPU or memory node that a cpuset may name. */
const MAX_CPU = 8192;

/**
 * The attribute `ulimit`: `name=soft[:hard]`, several as CSV.
 * @throws CairnError USAGE with the texts of github.com/docker/go-units
 */
export function parseUlimits(value: string): Ulimit[] {
  return value === '' ? [] : csvFields(value).map(parseUlimit);
}

function parseUlimit(text: string): Ulimit {
  const equals = text.indexOf('=');
  if (equals === -1) throw usage(`invalid ulimit argument: ${text}`);
  const name = text.slice(0, equals);
  if (!ULIMITS.has(name)) throw usage(`invalid ulimit type: ${name}`);
  const values = text.slice(equals + 1).split(':');
  const [softText = '', hardText] = values;
  if (values.length > 2) {
    throw usage(
      `too many limit value arguments - ${text.slice(equals + 1)}, can only have up to two, \`soft[:hard]\``,
    );
  }
  const explicit = hardText === undefined ? undefined : parseInt64(hardText);
  const soft = parseInt64(softText);
  const hard = explicit ?? soft;
  if (hard !== -1n) {
    const rule = 'ulimit soft limit must be less than or equal to hard limit:';
    if (soft === -1n) throw usage(`${rule} soft: -1 (unlimited), hard: ${hard}`);
    if (soft > hard) throw usage(`${rule} ${soft} > ${hard}`);
  }
  return create(UlimitSchema, { Name: name, Soft: soft, Hard: hard });
}

/**
 * The attributes `memory`, `memswap`, `cpushares`, `cpuperiod`, `cpuquota`, `cpusetcpus` and `cpusetmems`;
 * undefined when none is given.
 * @throws CairnError USAGE
 */
export function parseLinuxResources(opts: Readonly<Record<string, string>>): LinuxResources | undefined {
  const positive = 'must be > 0';
  const read = (
    key: string,
    parse: (text: string) => bigint,
    valid: (n: bigint) => boolean,
    rule: string,
  ): bigint => {
    const text = opts[key] ?? '';
    if (text === '') return 0n;
    let value: bigint;
    try {
      value = parse(text);
    } catch (error) {
      throw usage(`invalid ${key} value: ${text}: ${messageOf(error)}`);
    }
    if (!valid(value)) throw usage(`invalid ${key} value: ${text}: ${rule}`);
    return value;
  };
  const above0 = (n: bigint): boolean => n > 0n;
  const swapRule = 'must be -1 (unlimited) or > 0';
  const resources = create(LinuxResourcesSchema, {
    memory: read('memory', parseInt64, above0, positive),
    memorySwap: read('memswap', parseInt64, (n) => n >= -1n && n !== 0n, swapRule),
    cpuShares: read('cpushares', parseUint64, above0, positive),
    cpuPeriod: read('cpuperiod', parseUint64, above0, positive),
    cpuQuota: read('cpuquota', parseInt64, above0, positive),
    cpusetCpus: cpuset('cpusetcpus', opts),
    cpusetMems: cpuset('cpusetmems', opts),
  });
  const { memory, memorySwap, cpuShares, cpuPeriod, cpuQuota, cpusetCpus, cpusetMems } = resources;
  const given = [memory, memorySwap, cpuShares, cpuPeriod, cpuQuota].some((n) => n !== 0n);
  return given || cpusetCpus !== '' || cpusetMems !== '' ? resources : undefined;
}

function cpuset(key: string, opts: Readonly<Record<string, string>>): string {
  const text = opts[key] ?? '';
  for (const part of text.split(',').map((item) => item.trim())) {
    if (part === '') continue;
    const why = cpusetProblem(part);
    if (why !== undefined) throw usage(`invalid ${key} value: ${text}: ${why}`);
  }
  return text;
}

function cpusetProblem(part: string): string | undefined {
  const dash = part.indexOf('-');
  const range = dash !== -1;
  const ends = range ? [part.slice(0, dash).trim(), part.slice(dash + 1).trim()] : [part];
  const kind = range ? 'range' : 'element';
  // Beyond 64 bits Go has no number at all; rounding does not matter since all of these are too large.
  const numbers = ends.map((end) =>
    /^[+]?\d+$/.test(end) && BigInt(end.replace('+', '')) < 2n ** 63n ? Number(end) : Number.NaN,
  );
  const [low = Number.NaN, high = low] = numbers;
  if (numbers.some(Number.isNaN) || high < low) return `invalid cpuset ${kind} ${goQuote(part)}`;
  return high > MAX_CPU ? `cpuset ${kind} ${goQuote(part)} exceeds maximum ${MAX_CPU}` : undefined;
}

function usage(message: string): CairnError {
  return new CairnError(message, { code: 'USAGE' });
}
