/** The attribute `add-hosts`: names and addresses for /etc/hosts of steps. */
import { isIPv4, isIPv6 } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { CairnError } from '../../../errors/error.ts';
import { HostIPSchema } from '../../../llb/gen/ops_pb.js';
import type { HostIP } from '../../../llb/gen/ops_pb.js';
import { csvFields } from '../instructions/csv.ts';

/** @throws CairnError USAGE */
export function parseExtraHosts(value: string): HostIP[] {
  if (value === '') return [];
  return csvFields(value).map((field) => {
    const text = field.toLowerCase();
    const equals = text.indexOf('=');
    if (equals === -1) throw new CairnError(`invalid key-value pair ${field}`, { code: 'USAGE' });
    const address = text.slice(equals + 1);
    const IP = canonicalIp(address);
    if (IP === undefined) throw new CairnError(`failed to parse IP ${address}`, { code: 'USAGE' });
    return create(HostIPSchema, { Host: text.slice(0, equals), IP });
  });
}

/** An address as Go's net.IP prints it; undefined: not one. IPv6 zones are not addresses. */
export function canonicalIp(text: string): string | undefined {
  if (isIPv4(text)) return text;
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const short = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(short);
  if (mapped === null) return short;
  const bytes = [mapped[1], mapped[2]].flatMap((part) => {
    const word = Number.parseInt(part ?? '0', 16);
    return [word >> 8, word & 0xff];
  });
  return bytes.join('.');
}
