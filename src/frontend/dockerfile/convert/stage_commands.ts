/** Converts the commands of a stage, one after the other. */
import { goQuote } from '../../../errors/go_quote.ts';
import { expandCommand, expandHeredocSources } from '../instructions/expand.ts';
import type { Command, WordExpander } from '../instructions/types.ts';
import { DockerfileError, withLocation } from '../parser/error.ts';
import { envFromList, Lex } from '../shell/lex.ts';
import { convertArg } from './arg.ts';
import type { Conversion } from './conversion.ts';
import { convertCopy } from './copy.ts';
import { convertExpose } from './expose.ts';
import { DEFAULT_PATH } from './image_config.ts';
import { lintUndefinedVariables } from './lint_commands.ts';
import {
  convertCmd,
  convertEntrypoint,
  convertEnv,
  convertHealthcheck,
  convertLabel,
  convertMaintainer,
  convertShell,
  convertStopSignal,
  convertUser,
  convertVolume,
} from './metadata.ts';
import { convertRun } from './run.ts';
import type { StageCommand, StageState } from './stage.ts';
import { platformOf } from '../../../llb/platform.ts';
import { convertWorkdir, enterWorkdir } from './workdir.ts';

/**
 * Starts a stage from its base and applies its commands.
 * @throws DockerfileError with the location of the command, or of FROM
 */
export function convertStage(conversion: Conversion, stage: StageState): void {
  stage.inherit();
  stage.dispatched = true;
  const unknownPlatform = stage.platform === undefined;
  // A named context without a platform: nothing is known while its commands are converted.
  stage.platform ??= platformOf({ OS: '', Architecture: '' });
  try {
    applyImageConfig(conversion, stage);
  } catch (error) {
    throw withLocation(error, stage.stage.location);
  }
  for (const command of stage.commands) {
    try {
      convertCommand(conversion, stage, command);
    } catch (error) {
      throw withLocation(error, command.command.location);
    }
  }
  if (unknownPlatform) stage.platform = conversion.targetPlatform;
}

/** What commands of the base image's config mean for steps upon it. */
function applyImageConfig({ options }: Conversion, stage: StageState): void {
  const { config } = stage.image;
  if (envFromList(config.env).get('PATH') === undefined && stage.platform?.OS !== 'windows') {
    config.env = [...config.env, `PATH=${DEFAULT_PATH}`];
  }
  for (const entry of config.env) {
    const equals = entry.indexOf('=');
    const key = equals === -1 ? entry : entry.slice(0, equals);
    stage.state = stage.state.setEnv(key, equals === -1 ? '' : entry.slice(equals + 1));
  }
  if (options.hostname !== '') stage.state = stage.state.with({ hostname: options.hostname });
  if (config.workingDir !== '') enterWorkdir(stage, config.workingDir);
  if (config.user !== '') stage.state = stage.state.with({ user: config.user });
  stage.state = stage.state.with({ network: options.networkMode });
}

function convertCommand(
  conversion: Conversion,
  stage: StageState,
  { command, sources, isOnBuild }: StageCommand,
): void {
  const lint = conversion.lint.forComments(command.comments);
  const scoped = { ...conversion, lint };
  stage.inOnBuild = isOnBuild;
  const expand =
    (lex: Lex): WordExpander =>
    (word) => {
      const { env } = stage.state.values;
      const { result, unmatched, error } = lex.tryWord(word, env);
      lintUndefinedVariables(command, unmatched, stage.buildArgs, env, lint);
      if (error !== undefined) throw error;
      return result;
    };
  // ARG decides by itself whether its default counts.
  let expanded: Command = command.kind === 'arg' ? command : expandCommand(command, expand(conversion.lex));
  if (expanded.kind === 'copy' || expanded.kind === 'add') {
    expanded = expandHeredocSources(expanded, expand(new Lex('\\', { skipProcessQuotes: true })));
  }
  apply(scoped, stage, expanded, sources);
}

function apply(
  conversion: Conversion,
  stage: StageState,
  command: Command,
  sources: readonly StageState[],
): void {
  switch (command.kind) {
    case 'add':
      return convertCopy(conversion, stage, command, undefined);
    case 'copy': {
      const [from] = sources;
      if (from !== undefined && !from.dispatched) {
        throw new DockerfileError(
          `cannot copy from stage ${goQuote(command.from)}, it needs to be defined before current stage ${goQuote(stage.shownName)}`,
        );
      }
      return convertCopy(conversion, stage, command, from);
    }
    case 'run':
      return convertRun(conversion, stage, command, sources);
    case 'workdir':
      return convertWorkdir(conversion, stage, command);
    case 'arg':
      return convertArg(conversion, stage, command);
    case 'env':
      return convertEnv(conversion, stage, command);
    case 'label':
      return convertLabel(conversion, stage, command);
    case 'maintainer':
      return convertMaintainer(conversion, stage, command);
    case 'cmd':
      return convertCmd(conversion, stage, command);
    case 'entrypoint':
      return convertEntrypoint(conversion, stage, command);
    case 'healthcheck':
      return convertHealthcheck(conversion, stage, command);
    case 'expose':
      return convertExpose(conversion, stage, command);
    case 'user':
      return convertUser(conversion, stage, command);
    case 'volume':
      return convertVolume(conversion, stage, command);
    case 'stopsignal':
      return convertStopSignal(conversion, stage, command);
    case 'shell':
      return convertShell(conversion, stage, command);
    case 'onbuild':
      stage.image.config.onBuild.push(command.expression);
  }
}
