import { CairnError } from '../errors/error.ts';
import { didYouMean } from '../errors/suggest.ts';

const TRUE = ['1', 't', 'T', 'TRUE', 'true', 'True'];
const FALSE = ['0', 'f', 'F', 'FALSE', 'false', 'False'];

/** Attributes of one exporter, taken out one by one; what is left at the end is unknown. */
export class Attributes {
  readonly #type: string;
  readonly #left: Map<string, string>;
  readonly #known: string[] = [];

  constructor(type: string, attrs: Readonly<Record<string, string>>) {
    this.#type = type;
    this.#left = new Map(Object.entries(attrs));
  }

  text(key: string): string | undefined {
    this.#known.push(key);
    const value = this.#left.get(key);
    this.#left.delete(key);
    return value;
  }

  /** Go's strconv.ParseBool; empty is true, as `push` alone says. @throws CairnError USAGE */
  bool(key: string): boolean | undefined {
    const value = this.text(key);
    if (value === undefined) return undefined;
    if (value === '' || TRUE.includes(value)) return true;
    if (FALSE.includes(value)) return false;
    throw new CairnError(`non-bool value ${JSON.stringify(value)} specified for ${key}`, {
      code: 'USAGE',
      hint: 'use true or false',
    });
  }

  /** @throws CairnError USAGE */
  integer(key: string): number | undefined {
    const value = this.text(key);
    if (value === undefined) return undefined;
    if (/^[+-]?\d+$/.test(value) && Number.isSafeInteger(Number(value))) return Number(value);
    throw new CairnError(`non-integer value ${JSON.stringify(value)} specified for ${key}`, {
      code: 'USAGE',
    });
  }

  /** Takes out what BuildKit's exporter knows of others of its kind, and does nothing with. */
  unused(...keys: string[]): void {
    for (const key of keys) this.#left.delete(key);
  }

  /** Takes out every attribute that `take` recognises. */
  each(take: (key: string, value: string) => boolean): void {
    for (const [key, value] of this.#left) if (take(key, value)) this.#left.delete(key);
  }

  /** @throws CairnError USAGE when an attribute is left that nobody asked for */
  finish(): void {
    const [unknown] = this.#left.keys();
    if (unknown === undefined) return;
    throw new CairnError(`unknown attribute ${JSON.stringify(unknown)} of the ${this.#type} exporter`, {
      code: 'USAGE',
      hint: didYouMean(unknown, this.#known) ?? `it has ${this.#known.toSorted().join(', ')}`,
    });
  }
}
