/** HEALTHCHECK. */
import type { InstructionNode } from '../parser/contract.ts';
import { DockerfileError } from '../parser/error.ts';
import { goUpper } from '../text/case.ts';
import { parseDuration, parseInt32 } from '../text/numbers.ts';
import { goQuote } from '../../../errors/go_quote.ts';
import { FlagSet } from './flag_set.ts';
import { atLeastOne, commandBase, execOrShell } from './request.ts';
import type { HealthcheckCommand, HealthcheckConfig } from './types.ts';

const FLAGS = {
  interval: 'string',
  timeout: 'string',
  'start-period': 'string',
  'start-interval': 'string',
  retries: 'string',
} as const;

const MIN_INTERVAL_NS = 1_000_000n;

/** @throws DockerfileError */
export function parseHealthcheck(node: InstructionNode): HealthcheckCommand {
  const [word = '', ...args] = atLeastOne(node, 'HEALTHCHECK');
  const type = goUpper(word);
  const health = type === 'NONE' ? disabled(args) : configured(node, type, args);
  return { kind: 'healthcheck', ...commandBase(node), health };
}

/** Flags are not even looked at. */
function disabled(args: string[]): HealthcheckConfig {
  if (args.length > 0) throw new DockerfileError('HEALTHCHECK NONE takes no arguments');
  return {
    test: ['NONE'],
    interval: 0n,
    timeout: 0n,
    startPeriod: 0n,
    startInterval: 0n,
    retries: 0,
  };
}

function configured(node: InstructionNode, type: string, args: string[]): HealthcheckConfig {
  const flags = new FlagSet(node.flags, FLAGS);
  if (type !== 'CMD') {
    throw new DockerfileError(`Unknown type ${goQuote(type)} in HEALTHCHECK (try CMD)`);
  }
  const command = execOrShell(args, node.json);
  if (command.length === 0) {
    throw new DockerfileError('Missing command after HEALTHCHECK CMD');
  }
  const duration = (name: keyof Omit<typeof FLAGS, 'retries'>): bigint => interval(name, flags.string(name));
  return {
    test: [node.json ? 'CMD' : 'CMD-SHELL', ...command],
    interval: duration('interval'),
    timeout: duration('timeout'),
    startPeriod: duration('start-period'),
    startInterval: duration('start-interval'),
    retries: retryCount(flags.string('retries')),
  };
}

function interval(name: string, text: string): bigint {
  if (text === '') return 0n;
  const nanoseconds = parseDuration(text);
  if (nanoseconds !== 0n && nanoseconds < MIN_INTERVAL_NS) {
    throw new DockerfileError(`Interval ${goQuote(name)} cannot be less than 1ms`);
  }
  return nanoseconds;
}

function retryCount(text: string): number {
  if (text === '') return 0;
  const retries = parseInt32(text);
  if (retries < 0) throw new DockerfileError(`--retries cannot be negative (${retries})`);
  return retries;
}
