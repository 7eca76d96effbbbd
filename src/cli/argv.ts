/**
 * Go's flag packages accept `--push=false`, `--no-cache=true`, `-q=false` and `-t=name`; commander does not. This
 * rewrites arguments into forms that commander reads as they do.
 */
import { CairnError } from '../errors/error.ts';
import { parseBool } from './go_values.ts';

export interface KnownOption {
  /** `--push` */
  long: string;
  /** Whether a value follows. */
  takesValue: boolean;
}

/** By `--long` and by `-s`. */
export type KnownOptions = ReadonlyMap<string, KnownOption>;

/** The first argument that is neither a flag of the program nor a value of one. */
export function commandName(argv: readonly string[], known: KnownOptions): string | undefined {
  return argv.find((argument, index) => {
    const before = known.get(argv[index - 1] ?? '');
    return !argument.startsWith('-') && before?.takesValue !== true;
  });
}

/**
 * Short flags become long ones, values follow after `=`. `--flag=true` becomes `--flag`; `--flag=false` is left out,
 * and takes an earlier `--flag` with it: the last one counts. Unknown flags, and what follows `--`, are left alone.
 * @throws CairnError USAGE when the value of a flag without one is neither true nor false
 */
export function normalizeFlags(argv: readonly string[], known: KnownOptions): string[] {
  const out: string[] = [];
  for (let index = 0; index < argv.length; index++) {
    const argument = argv[index] ?? '';
    if (argument === '--') return [...out, ...argv.slice(index)];
    for (const [name, attached] of flagsIn(argument, known)) {
      const option = known.get(name);
      if (option === undefined) {
        out.push(attached === undefined ? name : `${name}=${attached}`);
      } else if (option.takesValue) {
        // The next argument is the value, whatever it looks like.
        const value = attached ?? argv[++index];
        out.push(value === undefined ? option.long : `${option.long}=${value}`);
      } else if (attached === undefined || isOn(attached, name)) {
        out.push(option.long);
      } else {
        for (let i = out.length - 1; i >= 0; i--) if (out[i] === option.long) out.splice(i, 1);
      }
    }
  }
  return out;
}

/** `-qt=name` is `-q` and `-t` with a value. What is no flag comes back as a name without a value. */
function flagsIn(argument: string, known: KnownOptions): [name: string, value: string | undefined][] {
  if (argument.startsWith('--')) {
    const equals = argument.indexOf('=');
    return [equals === -1 ? [argument, undefined] : [argument.slice(0, equals), argument.slice(equals + 1)]];
  }
  if (!argument.startsWith('-')) return [[argument, undefined]];
  const flags: [string, string | undefined][] = [];
  for (let rest = argument.slice(1); rest !== ''; rest = rest.slice(1)) {
    const option = known.get(`-${rest[0]}`);
    if (option === undefined) return [...flags, [`-${rest}`, undefined]];
    if (rest[1] === '=') return [...flags, [`-${rest[0]}`, rest.slice(2)]];
    if (option.takesValue) return [...flags, [`-${rest[0]}`, rest.length > 1 ? rest.slice(1) : undefined]];
    flags.push([`-${rest[0]}`, undefined]);
  }
  return flags.length === 0 ? [[argument, undefined]] : flags;
}

function isOn(value: string, name: string): boolean {
  const on = parseBool(value);
  if (on !== undefined) return on;
  throw new CairnError(
    `invalid argument ${JSON.stringify(value)} for "${name}" flag: expected true or false`,
    { code: 'USAGE' },
  );
}
