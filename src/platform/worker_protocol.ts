/** What the job pool and its threads say to each other, and how errors cross. */
import { CairnError, messageOf, type ErrorCode } from '../errors/error.ts';

export type ToWorker =
  /** `canceled` is one 32-bit flag that a synchronous job can read without its event loop. */
  | { kind: 'run'; id: number; name: string; args: unknown; canceled: SharedArrayBuffer }
  | { kind: 'cancel'; id: number }
  | { kind: 'message'; id: number; message: unknown }
  | { kind: 'close' };

export type FromWorker =
  | { kind: 'message'; id: number; message: unknown }
  | { kind: 'done'; id: number; result: unknown }
  | { kind: 'failed'; id: number; error: WireError };

/** An error as plain data. */
export interface WireError {
  name: string;
  message: string;
  stack?: string;
  /** Set for a CairnError. */
  cairn?: { code: ErrorCode; hint?: string };
  /** Own properties that are plain values: `code` and `errno` of system errors, `exitCode`. */
  fields: Record<string, string | number | boolean>;
  cause?: WireError;
}

/** Causes below this depth are dropped. */
const MAX_CAUSES = 8;
const OWN_FIELDS = new Set(['name', 'message', 'stack', 'cause', 'hint']);

/** An error (or whatever was thrown) as plain data. */
export function encodeError(error: unknown, depth = 0): WireError {
  if (!(error instanceof Error)) return { name: 'Error', message: messageOf(error), fields: {} };
  const wire: WireError = { name: error.name, message: error.message, fields: {} };
  if (error.stack !== undefined) wire.stack = error.stack;
  if (error instanceof CairnError) {
    wire.cairn = { code: error.code };
    if (error.hint !== undefined) wire.cairn.hint = error.hint;
  }
  for (const [key, value] of Object.entries(error)) {
    if (OWN_FIELDS.has(key) || (key === 'code' && wire.cairn !== undefined)) continue;
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      wire.fields[key] = value;
    }
  }
  if (error.cause !== undefined && depth < MAX_CAUSES) wire.cause = encodeError(error.cause, depth + 1);
  return wire;
}

/** The error again: a CairnError where it was one. */
export function decodeError(wire: WireError): Error {
  const cause = wire.cause === undefined ? undefined : decodeError(wire.cause);
  const error =
    wire.cairn === undefined
      ? new Error(wire.message, cause === undefined ? undefined : { cause })
      : new CairnError(wire.message, { code: wire.cairn.code, hint: wire.cairn.hint, cause });
  error.name = wire.name;
  if (wire.stack !== undefined) error.stack = wire.stack;
  return Object.assign(error, wire.fields);
}
