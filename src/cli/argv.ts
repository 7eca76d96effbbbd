/**
 * Go's flag packages accept `--push=false` and `--no-cache=true` for flags without a value; commander does
 * not. This takes such arguments apart before commander sees them.
 */
import { CairnError } from '../errors/error.ts';
import { parseBool } from './go_values.ts';

/** Options that commander knows of one command. */
export interface KnownOptions {
  /** Flags without a value, `--push`. */
  booleans: ReadonlySet<string>;
}

/**
 * `--flag=true` becomes `--flag`; `--flag=false` is left out, and takes an earlier `--flag` with it: the last
 * one counts. Everything after `--` is left alone.
 * @throws CairnError USAGE when the value is neither true nor false
 */
export function normalizeBooleans(argv: readonly string[], { booleans }: KnownOptions): string[] {
  const out: string[] = [];
  for (const [index, argument] of argv.entries()) {
    if (argument === '--') return [...out, ...argv.slice(index)];
    const equals = argument.indexOf('=');
    const name = equals === -1 ? argument : argument.slice(0, equals);
    if (equals === -1 || !booleans.has(name)) {
      out.push(argument);
      continue;
    }
    const value = parseBool(argument.slice(equals + 1));
    if (value === undefined) {
      throw new CairnError(
        `invalid argument ${JSON.stringify(argument.slice(equals + 1))} for "${name}" flag: expected true or false`,
        { code: 'USAGE' },
      );
    }
    if (value) {
      out.push(name);
    } else {
      for (let i = out.length - 1; i >= 0; i--) if (out[i] === name) out.splice(i, 1);
    }
  }
  return out;
}
