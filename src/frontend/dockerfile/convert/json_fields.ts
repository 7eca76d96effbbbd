/** Reading a JSON object into typed fields by the rules of Go's encoding/json. */
import { CairnError } from '../../../errors/error.ts';

/** Fields by name without regard to case, the last of equal names counting; absent and null ones are zero values. */
export class JsonFields {
  readonly #fields = new Map<string, unknown>();

  /** @throws CairnError CORRUPT when `value` is neither an object nor null */
  constructor(value: unknown, path = '') {
    if (value === null || value === undefined) return;
    if (typeof value !== 'object' || Array.isArray(value)) throw mismatch(path, value, 'object');
    for (const [key, field] of Object.entries(value)) {
      if (field !== null) this.#fields.set(key.toLowerCase(), field);
    }
  }

  /** Present and not null. */
  has(name: string): boolean {
    return this.#fields.has(name.toLowerCase());
  }

  string(name: string): string {
    return asString(name, this.#get(name) ?? '');
  }

  boolean(name: string): boolean {
    const value = this.#get(name) ?? false;
    if (typeof value !== 'boolean') throw mismatch(name, value, 'bool');
    return value;
  }

  integer(name: string): bigint {
    const value = this.#get(name) ?? 0;
    if (typeof value !== 'number' || !Number.isInteger(value)) throw mismatch(name, value, 'int64');
    return BigInt(value);
  }

  strings(name: string): string[] {
    return this.#array(name).map((value) => asString(name, value ?? ''));
  }

  object(name: string): JsonFields {
    return new JsonFields(this.#get(name), name);
  }

  objects(name: string): JsonFields[] {
    return this.#array(name).map((value) => new JsonFields(value, name));
  }

  /** An object with keys of any kind, as they are. */
  map(name: string): Record<string, unknown> {
    const value = this.#get(name) ?? {};
    if (typeof value !== 'object' || Array.isArray(value)) throw mismatch(name, value, 'object');
    return Object.fromEntries(Object.entries(value));
  }

  stringMap(name: string): Record<string, string> {
    return Object.fromEntries(
      Object.entries(this.map(name)).map(([key, value]) => [key, asString(name, value ?? '')]),
    );
  }

  /** An RFC 3339 time in the form in which Go writes it: no zeros at a fraction's end, `Z` for UTC. */
  time(name: string): string | undefined {
    if (!this.has(name)) return undefined;
    const text = this.string(name);
    const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)$/.exec(text);
    if (match === null) throw mismatch(name, text, 'time');
    const [, seconds = '', fraction = '', zone = ''] = match;
    const digits = fraction.slice(0, 9).replace(/0+$/, '');
    return `${seconds}${digits === '' ? '' : `.${digits}`}${/^[+-]00:00$/.test(zone) ? 'Z' : zone}`;
  }

  #get(name: string): unknown {
    return this.#fields.get(name.toLowerCase());
  }

  #array(name: string): unknown[] {
    const value = this.#get(name) ?? [];
    if (!Array.isArray(value)) throw mismatch(name, value, 'array');
    return value;
  }
}

function asString(name: string, value: unknown): string {
  if (typeof value !== 'string') throw mismatch(name, value, 'string');
  return value;
}

function mismatch(name: string, value: unknown, wanted: string): CairnError {
  const kind = Array.isArray(value) ? 'array' : typeof value;
  return new CairnError(`json: cannot unmarshal ${kind} into field ${name} of type ${wanted}`, {
    code: 'CORRUPT',
  });
}
