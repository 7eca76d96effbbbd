/** Limits on what steps may use: flags → attributes of the frontend. */
import { CairnError } from '../../errors/error.ts';
import { didYouMean } from '../../errors/suggest.ts';
import { parseMemory } from '../go_values.ts';
import type { BuildFlags } from './flags.ts';

const usage = (message: string, hint?: string) => new CairnError(message, { code: 'USAGE', hint });

const RESOURCES = [
  'memory',
  'memory-swap',
  'cpu-shares',
  'cpu-period',
  'cpu-quota',
  'cpuset-cpus',
  'cpuset-mems',
];

/**
 * `--resource` and docker build's own flags for the same limits; the later `--resource` counts.
 * @throws CairnError USAGE
 */
export function resourceLimits(flags: BuildFlags): Record<string, string> {
  const entries = [
    ['memory', flags.memory],
    ['memory-swap', flags.memorySwap],
    ['cpu-shares', flags.cpuShares],
    ['cpu-period', flags.cpuPeriod],
    ['cpu-quota', flags.cpuQuota],
    ['cpuset-cpus', flags.cpusetCpus],
    ['cpuset-mems', flags.cpusetMems],
  ].flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value}`]));
  const attrs: Record<string, string> = {};
  for (const entry of [...entries, ...flags.resource]) {
    const equals = entry.indexOf('=');
    if (equals === -1) throw usage(`invalid resource ${JSON.stringify(entry)}, expected key=value`);
    const key = entry.slice(0, equals).trim();
    const value = entry.slice(equals + 1).trim();
    if (!RESOURCES.includes(key)) {
      const known = didYouMean(key, RESOURCES) ?? `resources are ${RESOURCES.join(', ')}`;
      throw usage(`unknown resource ${JSON.stringify(key)}`, known);
    }
    const attr = key === 'memory-swap' ? 'memswap' : key.replaceAll('-', '');
    if (key.startsWith('memory')) {
      attrs[attr] = value === '-1' ? value : String(parseMemory(value, `resource ${key}`));
    } else if (key.startsWith('cpuset')) {
      attrs[attr] = value;
    } else {
      if (!/^-?\d+$/.test(value)) throw usage(`invalid value ${JSON.stringify(value)} for resource ${key}`);
      attrs[attr] = value;
    }
    if (attrs[attr] === '0' || attrs[attr] === '') delete attrs[attr];
  }
  return attrs;
}
