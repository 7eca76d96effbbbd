/**
 * Protobuf fields as Go's encoding/json writes them: keys of exec, file, merge and diff ops are the sha256 of such
 * text, so every byte counts.
 */
import { goJson as textOf } from '../llb/go_json.ts';

/** What {@link goJson} writes; structs are objects with their fields in Go's order. Undefined fields are left out. */
export type GoValue =
  | string
  | number
  | bigint
  | boolean
  | Uint8Array
  | readonly GoValue[]
  | { readonly [field: string]: GoValue | undefined };

/** A struct whose fields all have the `omitempty` option; structs and pointers to them are never empty. */
export function omitEmpty(fields: Record<string, GoValue | undefined>): Record<string, GoValue> {
  const out: Record<string, GoValue> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined && !isEmpty(value)) out[name] = value;
  }
  return out;
}

function isEmpty(value: GoValue): boolean {
  if (isList(value) || value instanceof Uint8Array) return value.length === 0;
  return value === '' || value === 0 || value === 0n || value === false;
}

/** JSON without spaces; byte slices as base64, 64-bit integers with all their digits. */
export function goJson(value: GoValue): string {
  return textOf(toJson(value));
}

function toJson(value: GoValue): unknown {
  if (typeof value === 'bigint') return JSON.rawJSON(String(value));
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (isList(value)) return value.map(toJson);
  if (typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, field]) => (field === undefined ? [] : [[name, toJson(field)]])),
  );
}

function isList(value: GoValue): value is readonly GoValue[] {
  return Array.isArray(value);
}
