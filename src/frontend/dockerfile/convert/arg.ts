/** ARG inside a stage. */
import type { Arg, ArgCommand } from '../instructions/types.ts';
import type { Conversion } from './conversion.ts';
import { NON_ENV_ARGS } from './global_args.ts';
import { addConfigHistory } from './history.ts';
import { lintSecretName, lintUndefinedVariables } from './lint_commands.ts';
import type { StageState } from './stage.ts';

/**
 * Declares build arguments: the value given for the build, else the default, else that of a global ARG of the
 * same name.
 * @throws DockerfileError for a default that does not expand
 */
export function convertArg(conversion: Conversion, stage: StageState, command: ArgCommand): void {
  const texts = command.args.map((arg) => declare(conversion, stage, command, arg));
  addConfigHistory(stage.image, `ARG ${texts.join(' ')}`, conversion.epoch);
}

/** @returns the history's text for one argument */
function declare(conversion: Conversion, stage: StageState, command: ArgCommand, arg: Arg): string {
  const { key } = arg;
  lintSecretName('ARG', key, command.location, conversion.lint);
  const { value, inherited } = valueOf(conversion, stage, command, arg);
  if (value !== undefined && !NON_ENV_ARGS.has(key)) stage.state = stage.state.setEnv(key, value);
  if (!inherited) {
    stage.outline.args.set(key, {
      key,
      value: value ?? '',
      description: arg.docComment,
      location: command.location,
      deps: new Set(),
    });
  }
  stage.outline.usedArgs.add(key);
  stage.buildArgs.push({ ...arg, value });
  return value === undefined ? key : `${key}=${value}`;
}

function valueOf(
  { buildArgs, globalArgs, lex, lint }: Conversion,
  stage: StageState,
  command: ArgCommand,
  { key, value }: Arg,
): { value: string | undefined; inherited: boolean } {
  const given = buildArgs.get(key);
  if (given !== undefined) return { value: given, inherited: false };
  if (value === undefined) {
    const global = globalArgs.get(key);
    return { value: global, inherited: global !== undefined };
  }
  const { env } = stage.state.values;
  const { result, unmatched, error } = lex.tryWord(value, env);
  lintUndefinedVariables(command, unmatched, stage.buildArgs, env, lint);
  if (error !== undefined) throw error;
  return { value: result, inherited: false };
}
