/** EXPOSE: ports and ranges of ports (BuildKit v0.32.2, dockerfile2llb/convert_expose.go). */
import { messageOf } from '../../../errors/error.ts';
import { canonicalIp } from '../options/hosts.ts';
import { parseInt64 } from '../options/int.ts';
import type { ExposeCommand } from '../instructions/types.ts';
import type { Linter } from '../lint/linter.ts';
import { exposeInvalidFormat, exposeProtoCasing } from '../lint/rules.ts';
import { DockerfileError } from '../parser/error.ts';
import { goQuote } from '../../../errors/go_quote.ts';
import type { Conversion } from './conversion.ts';
import { addConfigHistory } from './history.ts';
import type { StageState } from './stage.ts';

const MAX_PORT = 65_535n;
const PROTOCOLS = new Set(['tcp', 'udp', 'sctp']);

/** @throws DockerfileError */
export function convertExpose(
  { lex, lint, epoch }: Conversion,
  stage: StageState,
  command: ExposeCommand,
): void {
  const words = command.ports.flatMap((port) => lex.processWords(port, stage.state.values.env));
  const ports = words.flatMap((word) => parsePort(word, command, lint));
  for (const port of ports) stage.image.config.exposedPorts.add(port);
  addConfigHistory(stage.image, `EXPOSE [${ports.join(' ')}]`, epoch);
}

/** Ports of `[[address:]host:]container[-end][/protocol]`; address and host port are accepted and dropped. */
function parsePort(text: string, command: ExposeCommand, lint: Linter): string[] {
  const parts = text.split(':');
  const container = parts.pop() ?? '';
  const hostPort = parts.pop() ?? '';
  const address = parts.join(':');
  const { protocol, range } = splitProtocol(text, container);
  if (protocol !== protocol.toLowerCase()) lint.run(exposeProtoCasing, command.location, text);
  if (address !== '' || hostPort !== '') lint.run(exposeInvalidFormat, command.location, text);
  checkAddress(address);
  const ports = parseRange(range, 'containerPort');
  if (hostPort !== '') {
    const host = parseRange(hostPort, 'hostPort');
    if (ports.length !== host.length && ports.length !== 1) {
      throw new DockerfileError(
        `invalid ranges specified for container and host Ports: ${range} and ${hostPort}`,
      );
    }
  }
  return ports.map((port) => `${port}/${protocol.toLowerCase()}`);
}

function splitProtocol(text: string, port: string): { protocol: string; range: string } {
  const slash = port.indexOf('/');
  const range = slash === -1 ? port : port.slice(0, slash);
  const protocol = slash === -1 ? '' : port.slice(slash + 1);
  if (range === '') throw new DockerfileError(`invalid port: ${goQuote(text)}: no port specified`);
  if (protocol === '') return { protocol: 'tcp', range };
  if (!PROTOCOLS.has(protocol.toLowerCase())) {
    throw new DockerfileError(`invalid port: ${goQuote(text)}: invalid proto: ${protocol}`);
  }
  return { protocol, range };
}

function checkAddress(address: string): void {
  let ip = address;
  if (address.startsWith('[')) {
    const bracket = address.indexOf(']');
    if (bracket === -1 || bracket !== address.length - 1) {
      const why = bracket === -1 ? "missing ']' in address" : 'too many colons in address';
      throw new DockerfileError(`invalid IP address ${address}: address ${address}:: ${why}`);
    }
    ip = address.slice(1, -1);
  }
  if (ip !== '' && canonicalIp(ip) === undefined) throw new DockerfileError(`invalid IP address: ${ip}`);
}

function parseRange(text: string, what: string): number[] {
  try {
    const dash = text.indexOf('-');
    const start = parseNumber(dash === -1 ? text : text.slice(0, dash));
    const end = dash === -1 ? start : parseNumber(text.slice(dash + 1));
    if (end < start) throw new DockerfileError(`invalid port range: ${text}`);
    return Array.from({ length: end - start + 1 }, (_, i) => start + i);
  } catch (error) {
    throw new DockerfileError(`invalid ${what}: ${text}`, { cause: error, hint: messageOf(error) });
  }
}

function parseNumber(text: string): number {
  const port = parseInt64(text);
  if (port < 0n || port > MAX_PORT) throw new DockerfileError('value out of range (0–65535)');
  return Number(port);
}
