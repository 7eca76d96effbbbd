/**
 * The deterministic encoding of ops, whose sha256 is a vertex's digest: the bytes that Go's
 * google.golang.org/protobuf writes with `MarshalOptions{Deterministic: true}`, which BuildKit uses for pb.Op.
 */
import { create, toBinary } from '@bufbuild/protobuf';
import { CairnError } from '../errors/error.ts';
import { BuildOpSchema, OpSchema, SourceOpSchema } from './gen/ops_pb.js';
import type { Op } from './gen/ops_pb.js';

/**
 * Encodes one op. Go's encoder writes a message's plain fields in the order of their numbers and its oneofs
 * after them, so `platform` (10) and `constraints` (11) come before the op itself (2–8). Map entries are
 * sorted by key; unknown fields come last.
 * @throws CairnError USAGE for text that is not UTF-8, as Go's encoder does
 */
export function marshalOp(op: Op): Uint8Array {
  refuseInvalidText(op);
  const frame = create(OpSchema, { inputs: op.inputs });
  if (op.platform !== undefined) frame.platform = op.platform;
  if (op.constraints !== undefined) frame.constraints = op.constraints;
  const head = toBinary(OpSchema, frame);
  const body = create(OpSchema, { op: withSortedMaps(op.op) });
  if (op.$unknown !== undefined) body.$unknown = op.$unknown;
  const tail = toBinary(OpSchema, body);
  const bytes = new Uint8Array(head.length + tail.length);
  bytes.set(head);
  bytes.set(tail, head.length);
  return bytes;
}

/** This library would write U+FFFD for what is no text, and an op with other words would run. */
function refuseInvalidText(value: unknown): void {
  if (typeof value === 'string') {
    if (value.isWellFormed()) return;
    throw new CairnError('string field contains invalid UTF-8', { code: 'USAGE' });
  }
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  for (const [key, item] of Object.entries(value)) {
    refuseInvalidText(key);
    refuseInvalidText(item);
  }
}

function withSortedMaps(op: Op['op']): Op['op'] {
  switch (op.case) {
    case 'source':
      return {
        case: op.case,
        value: create(SourceOpSchema, { ...op.value, attrs: sortKeys(op.value.attrs) }),
      };
    case 'build':
      return {
        case: op.case,
        value: create(BuildOpSchema, {
          ...op.value,
          attrs: sortKeys(op.value.attrs),
          inputs: sortKeys(op.value.inputs),
        }),
      };
    default:
      return op;
  }
}

/** The same entries in the order of their keys' UTF-8 bytes. */
export function sortKeys<T>(map: Readonly<Record<string, T>>): Record<string, T> {
  const entries = Object.entries(map);
  if (entries.length < 2) return { ...map };
  return Object.fromEntries(entries.sort(([a], [b]) => compareUtf8(a, b)));
}

/** Go's string order: by bytes of the UTF-8 encoding, which differs from UTF-16 order above U+FFFF. */
export function compareUtf8(a: string, b: string): number {
  if (a === b) return 0;
  const ascii = /^[\0-\x7f]*$/;
  if (ascii.test(a) && ascii.test(b)) return a < b ? -1 : 1;
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
