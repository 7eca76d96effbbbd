/** Instructions that change nothing but the image config. */
import type {
  CmdCommand,
  CommandLine,
  EntrypointCommand,
  EnvCommand,
  HealthcheckCommand,
  LabelCommand,
  MaintainerCommand,
  ShellCommand,
  StopSignalCommand,
  UserCommand,
  VolumeCommand,
} from '../instructions/types.ts';
import { jsonArgsRecommended } from '../lint/rules.ts';
import { DockerfileError } from '../parser/error.ts';
import { goQuote } from '../../../errors/go_quote.ts';
import { goUpper } from '../text/case.ts';
import { formatDuration } from '../text/duration.ts';
import type { Conversion } from './conversion.ts';
import { addConfigHistory } from './history.ts';
import type { ImageConfig } from './image_config.ts';
import { lintLegacyForm, lintSecretName, lintUsedOnce } from './lint_commands.ts';
import type { StageState } from './stage.ts';

const SIGNALS = new Set([
  ...(
    'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM ' +
    'TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX'
  ).split(' '),
  ...Array.from({ length: 15 }, (_, i) => `RTMIN+${i + 1}`),
  ...Array.from({ length: 14 }, (_, i) => `RTMAX-${i + 1}`),
]);

export function convertEnv({ lint, epoch }: Conversion, stage: StageState, command: EnvCommand): void {
  const { config } = stage.image;
  for (const { key, value, legacy } of command.env) {
    lintLegacyForm(command, legacy, lint);
    lintSecretName('ENV', key, command.location, lint);
    stage.state = stage.state.setEnv(key, value);
    const known = config.env.findIndex((entry) => entry === key || entry.startsWith(`${key}=`));
    if (known === -1) config.env.push(`${key}=${value}`);
    else config.env[known] = `${key}=${value}`;
  }
  const pairs = command.env.map(({ key, value }) => ` ${key}=${value}`);
  addConfigHistory(stage.image, `ENV${pairs.join('')}`, epoch);
}

export function convertLabel({ lint, epoch }: Conversion, stage: StageState, command: LabelCommand): void {
  for (const { key, value, legacy } of command.labels) {
    lintLegacyForm(command, legacy, lint);
    stage.image.config.labels.set(key, value);
  }
  const pairs = command.labels.map(({ key, value }) => ` ${key}=${value}`);
  addConfigHistory(stage.image, `LABEL${pairs.join('')}`, epoch);
}

export function convertMaintainer(
  { epoch }: Conversion,
  stage: StageState,
  command: MaintainerCommand,
): void {
  stage.image.author = command.maintainer;
  addConfigHistory(stage.image, `MAINTAINER ${command.maintainer}`, epoch);
}

export function convertCmd(conversion: Conversion, stage: StageState, command: CmdCommand): void {
  const { lint, epoch } = conversion;
  lintUsedOnce(command, stage.lastCmd, lint);
  const args = argumentsOf(conversion, stage, command);
  stage.image.config.cmd = args;
  stage.image.config.argsEscaped = true;
  addConfigHistory(stage.image, `CMD ${quotedList(args)}`, epoch);
}

/** A CMD from before counts no more, unless it is of the same stage. */
export function convertEntrypoint(
  conversion: Conversion,
  stage: StageState,
  command: EntrypointCommand,
): void {
  const { lint, epoch } = conversion;
  lintUsedOnce(command, stage.lastEntrypoint, lint);
  const args = argumentsOf(conversion, stage, command);
  stage.image.config.entrypoint = args;
  if (stage.lastCmd.location === undefined) stage.image.config.cmd = [];
  addConfigHistory(stage.image, `ENTRYPOINT ${quotedList(args)}`, epoch);
}

function argumentsOf(
  { lint }: Conversion,
  stage: StageState,
  command: CmdCommand | EntrypointCommand,
): string[] {
  if (!command.prependShell) return command.cmdLine;
  if (stage.image.config.shell.length === 0) lint.run(jsonArgsRecommended, command.location, command.name);
  return withShell(stage.image, command);
}

/** The arguments of a shell form: the image's shell and the line. */
export function withShell(
  { config, platform }: ImageConfig,
  { cmdLine }: Pick<CommandLine, 'cmdLine'>,
): string[] {
  const standard = platform.OS === 'windows' ? ['cmd', '/S', '/C'] : ['/bin/sh', '-c'];
  return [...(config.shell.length > 0 ? config.shell : standard), cmdLine.join(' ')];
}

export function convertHealthcheck(
  { lint, epoch }: Conversion,
  stage: StageState,
  command: HealthcheckCommand,
): void {
  lintUsedOnce(command, stage.lastHealthcheck, lint);
  const { health } = command;
  stage.image.config.healthcheck = { ...health };
  const { test, interval, timeout, startPeriod, startInterval, retries } = health;
  const text = [
    `Test:[${test.join(' ')}]`,
    `Interval:${formatDuration(interval)}`,
    `Timeout:${formatDuration(timeout)}`,
    `StartPeriod:${formatDuration(startPeriod)}`,
    `StartInterval:${formatDuration(startInterval)}`,
    `Retries:${retries}`,
  ];
  addConfigHistory(stage.image, `HEALTHCHECK {${text.join(' ')}}`, epoch);
}

export function convertUser({ epoch }: Conversion, stage: StageState, { user }: UserCommand): void {
  stage.state = stage.state.with({ user });
  stage.image.config.user = user;
  addConfigHistory(stage.image, `USER ${user}`, epoch);
}

/** @throws DockerfileError for an empty path */
export function convertVolume({ epoch }: Conversion, stage: StageState, { volumes }: VolumeCommand): void {
  for (const volume of volumes) {
    if (volume === '') throw new DockerfileError('VOLUME specified can not be an empty string');
    stage.image.config.volumes.add(volume);
  }
  addConfigHistory(stage.image, `VOLUME [${volumes.join(' ')}]`, epoch);
}

/** @throws DockerfileError for a signal that Linux does not have */
export function convertStopSignal(
  { epoch }: Conversion,
  stage: StageState,
  { signal }: StopSignalCommand,
): void {
  const number = /^[+-]?\d+$/.test(signal) ? Number(signal) : undefined;
  const known = number === undefined ? SIGNALS.has(goUpper(signal).replace(/^SIG/, '')) : number !== 0;
  if (!known) throw new DockerfileError(`invalid signal: ${signal}`);
  stage.image.config.stopSignal = signal;
  addConfigHistory(stage.image, `STOPSIGNAL ${signal}`, epoch);
}

export function convertShell({ epoch }: Conversion, stage: StageState, { shell }: ShellCommand): void {
  stage.image.config.shell = shell;
  addConfigHistory(stage.image, `SHELL [${shell.join(' ')}]`, epoch);
}

/** As Go's `%q` prints a list. */
function quotedList(args: readonly string[]): string {
  return `[${args.map(goQuote).join(' ')}]`;
}
