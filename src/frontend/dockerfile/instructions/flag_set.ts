/** Flags of an instruction: which it knows, and what was given. */
import { DockerfileError } from '../parser/error.ts';
import { goLower } from '../text/case.ts';
import { suggestError } from '../text/suggest.ts';

/** `bool` is `--x`, `--x=true` or `--x=false`; `string` may be given once; `list` any number of times. */
export type FlagType = 'bool' | 'string' | 'list';
export type FlagTypes = Readonly<Record<string, FlagType>>;

type NamesOf<Types extends FlagTypes, Wanted extends FlagType> = {
  [Name in keyof Types]: Types[Name] extends Wanted ? Name : never;
}[keyof Types] &
  string;

/** The flags given, checked against those known. */
export class FlagSet<Types extends FlagTypes> {
  readonly #values = new Map<string, string[]>();

  /**
   * `given` are words like `--name=value`.
   * @throws DockerfileError for an unknown flag, one given twice, or a value that is missing or no boolean
   */
  constructor(given: readonly string[], types: Types) {
    for (const word of given) {
      const equals = word.indexOf('=');
      const flag = equals === -1 ? word : word.slice(0, equals);
      const value = equals === -1 ? undefined : word.slice(equals + 1);
      const name = flag.slice(2);
      const type = Object.hasOwn(types, name) ? types[name] : undefined;
      if (type === undefined) {
        throw suggestError(`unknown flag: ${flag}`, name, Object.keys(types));
      }
      const values = this.#values.get(name) ?? [];
      if (values.length > 0 && type !== 'list') {
        throw new DockerfileError(`duplicate flag specified: ${flag}`);
      }
      values.push(type === 'bool' ? boolean(flag, value) : required(flag, value));
      this.#values.set(name, values);
    }
  }

  /** Undefined when it was not given. */
  bool(name: NamesOf<Types, 'bool'>): boolean | undefined {
    const value = this.#values.get(name)?.[0];
    return value === undefined ? undefined : value === 'true';
  }

  string(name: NamesOf<Types, 'string'>, otherwise = ''): string {
    return this.#values.get(name)?.[0] ?? otherwise;
  }

  list(name: NamesOf<Types, 'list'>): string[] {
    return this.#values.get(name) ?? [];
  }
}

/**
 * For instructions without flags.
 * @throws DockerfileError when one was given
 */
export function refuseFlags(given: readonly string[]): void {
  void new FlagSet(given, {});
}

function required(flag: string, value: string | undefined): string {
  if (value === undefined) throw new DockerfileError(`missing a value on flag: ${flag}`);
  return value;
}

function boolean(flag: string, value: string | undefined): 'true' | 'false' {
  if (value === '') throw new DockerfileError(`missing a value on flag: ${flag}`);
  const lower = goLower(value ?? 'true');
  if (lower === 'true' || lower === 'false') return lower;
  throw new DockerfileError(`expecting boolean value for flag ${flag}, not: ${value}`);
}
