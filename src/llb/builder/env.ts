/** The environment of a state. */

/**
 * An immutable list of variables. Setting a variable again moves it to the end, as in BuildKit's llb.EnvList,
 * and the order is part of an exec op's digest.
 */
export class EnvList {
  static readonly empty = new EnvList(new Map());
  readonly #values: ReadonlyMap<string, string>;

  private constructor(values: ReadonlyMap<string, string>) {
    this.#values = values;
  }

  /** With `name` set to `value`, as the newest. */
  set(name: string, value: string): EnvList {
    const values = new Map(this.#values);
    values.delete(name);
    values.set(name, value);
    return new EnvList(values);
  }

  delete(name: string): EnvList {
    const values = new Map(this.#values);
    values.delete(name);
    return new EnvList(values);
  }

  get(name: string): string | undefined {
    return this.#values.get(name);
  }

  /** Names, the one set last at the end. */
  keys(): string[] {
    return [...this.#values.keys()];
  }

  /** `name=value` in the order of {@link keys}. */
  toArray(): string[] {
    return [...this.#values].map(([name, value]) => `${name}=${value}`);
  }
}
