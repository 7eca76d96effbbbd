/** RUN, CMD, ENTRYPOINT and SHELL: instructions with a command line. */
import type { InstructionNode } from '../parser/contract.ts';
import { DockerfileError } from '../parser/error.ts';
import { goQuote } from '../../../errors/go_quote.ts';
import { parseDevice } from './device.ts';
import { FlagSet, refuseFlags } from './flag_set.ts';
import { parseMount } from './mount.ts';
import { commandBase, execOrShell } from './request.ts';
import type {
  CmdCommand,
  CommandLine,
  EntrypointCommand,
  NetworkMode,
  RunCommand,
  SecurityMode,
  ShellCommand,
} from './types.ts';

const RUN_FLAGS = {
  device: 'list',
  mount: 'list',
  network: 'string',
  security: 'string',
} as const;

/** @throws DockerfileError; most errors of mounts are found by `expandCommand` */
export function parseRun(node: InstructionNode): RunCommand {
  const flags = new FlagSet(node.flags, RUN_FLAGS);
  const mountFlags = flags.list('mount');
  return {
    kind: 'run',
    ...commandBase(node),
    ...commandLine(node),
    devices: flags.list('device').map((value) => parseDevice(value)),
    mountFlags,
    mounts: mountFlags.map((value) => parseMount(value, undefined)),
    network: networkMode(flags.string('network', 'default')),
    security: securityMode(flags.string('security', 'sandbox')),
  };
}

/** @throws DockerfileError */
export function parseCmd(node: InstructionNode): CmdCommand {
  refuseFlags(node.flags);
  return { kind: 'cmd', ...commandBase(node), ...commandLine(node) };
}

/** @throws DockerfileError */
export function parseEntrypoint(node: InstructionNode): EntrypointCommand {
  refuseFlags(node.flags);
  return { kind: 'entrypoint', ...commandBase(node), ...commandLine(node) };
}

/** @throws DockerfileError */
export function parseShell(node: InstructionNode): ShellCommand {
  refuseFlags(node.flags);
  if (node.args.length === 0) {
    throw new DockerfileError('SHELL requires at least one argument');
  }
  if (!node.json) throw new DockerfileError('SHELL requires the arguments to be in JSON form');
  return { kind: 'shell', ...commandBase(node), shell: node.args };
}

function commandLine(node: InstructionNode): CommandLine {
  return {
    cmdLine: execOrShell(node.args, node.json),
    files: node.heredocs.map(({ name, content, chomp }) => ({ name, data: content, chomp })),
    prependShell: !node.json,
  };
}

function networkMode(value: string): NetworkMode {
  if (value === 'default' || value === 'none' || value === 'host') return value;
  throw new DockerfileError(`invalid network mode ${goQuote(value)}`);
}

function securityMode(value: string): SecurityMode {
  if (value === 'sandbox' || value === 'insecure') return value;
  throw new DockerfileError(`security ${goQuote(value)} is not valid`);
}
