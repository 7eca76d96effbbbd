/**
 * Typed Dockerfile instructions: a discriminated union by `kind`. Values are as written, with variables not yet
 * expanded. `expandCommand` (expand.ts) returns a copy with the fields expanded that are marked "expanded" below;
 * everything else is either never expanded or expanded later by rules of its own (EXPOSE ports, COPY --from).
 *
 * The meaning of each field is that of BuildKit v0.32.2, package frontend/dockerfile/instructions.
 */
import type { SourceRange } from '../../../progress/events.ts';

export interface CommandBase {
  /** The keyword as written, any case. */
  name: string;
  /** The instruction's text, trimmed: what progress and history show. Heredoc bodies are not part of it. */
  code: string;
  location: readonly SourceRange[];
  /** Comment lines directly above. */
  comments: readonly string[];
}

export interface KeyValue {
  key: string;
  value: string;
  /** Written in the legacy form `ENV key value`. */
  legacy: boolean;
}

export interface EnvCommand extends CommandBase {
  kind: 'env';
  /** Keys and values expanded. */
  env: KeyValue[];
}

export interface LabelCommand extends CommandBase {
  kind: 'label';
  /** Keys and values expanded. */
  labels: KeyValue[];
}

export interface MaintainerCommand extends CommandBase {
  kind: 'maintainer';
  maintainer: string;
}

/** A heredoc as a source of COPY or ADD. */
export interface HeredocSource {
  /** The delimiter, which is also the file's name. */
  path: string;
  /** Tabs already chomped for `<<-`. Expanded by `expandHeredocSources` where `expand` is true. */
  data: string;
  expand: boolean;
}

export interface CopySources {
  /** Expanded. Heredocs are not among them. */
  sourcePaths: string[];
  sourceContents: HeredocSource[];
  /** Expanded. */
  destPath: string;
}

export interface AddCommand extends CommandBase, CopySources {
  kind: 'add';
  /** Expanded. Empty: flag not given. */
  chown: string;
  /** Expanded. Empty: flag not given. */
  chmod: string;
  link: boolean;
  excludePatterns: string[];
  /** Undefined: flag not given. */
  keepGitDir: boolean | undefined;
  /** Expanded. Empty: flag not given. */
  checksum: string;
  /** Undefined: flag not given. */
  unpack: boolean | undefined;
}

export interface CopyCommand extends CommandBase, CopySources {
  kind: 'copy';
  /** Not expanded here: the converter resolves it before the stage runs. Empty: from the build context. */
  from: string;
  /** Expanded. Empty: flag not given. */
  chown: string;
  /** Expanded. Empty: flag not given. */
  chmod: string;
  link: boolean;
  parents: boolean;
  excludePatterns: string[];
}

export interface OnbuildCommand extends CommandBase {
  kind: 'onbuild';
  /** The trigger as text that parses as a Dockerfile of its own, heredocs included. */
  expression: string;
}

export interface WorkdirCommand extends CommandBase {
  kind: 'workdir';
  /** Expanded. */
  path: string;
}

/** A heredoc of RUN, CMD or ENTRYPOINT. */
export interface InlineFile {
  name: string;
  /** As written, tabs included: `chomp` is for the reader to apply. */
  data: string;
  chomp: boolean;
}

export interface CommandLine {
  /** One string in the shell form, the arguments in the exec form. */
  cmdLine: string[];
  files: InlineFile[];
  /** The shell form: the stage's SHELL goes before `cmdLine`. */
  prependShell: boolean;
}

export type MountType = 'bind' | 'cache' | 'tmpfs' | 'secret' | 'ssh';
export type SharingMode = 'shared' | 'private' | 'locked';

/** One `RUN --mount`. Before `expandCommand` only `from` is filled in; the rest has the defaults of a bind mount. */
export interface Mount {
  type: MountType;
  /** Never has a variable in it before expansion. Empty: the build context. */
  from: string;
  source: string;
  target: string;
  readOnly: boolean;
  /** Bytes; 0: no limit. */
  sizeLimit: bigint;
  /** The field `id`, of every mount type. */
  cacheId: string;
  /** Undefined: not given. */
  cacheSharing: SharingMode | undefined;
  required: boolean;
  /** Variable that holds the secret. Undefined: not given; empty: the default name. */
  env: string | undefined;
  mode: number | undefined;
  uid: number | undefined;
  gid: number | undefined;
}

export interface Device {
  name: string;
  required: boolean;
}

export type NetworkMode = 'default' | 'none' | 'host';
export type SecurityMode = 'sandbox' | 'insecure';

export interface RunCommand extends CommandBase, CommandLine {
  kind: 'run';
  /** Values of `--mount` as written. */
  mountFlags: string[];
  /** Made from `mountFlags`; made anew with values expanded by `expandCommand`, which finds most of their errors. */
  mounts: Mount[];
  devices: Device[];
  network: NetworkMode;
  security: SecurityMode;
}

export interface CmdCommand extends CommandBase, CommandLine {
  kind: 'cmd';
}

/** `ENTRYPOINT []` has an empty `cmdLine`, which the image config writes as null. */
export interface EntrypointCommand extends CommandBase, CommandLine {
  kind: 'entrypoint';
}

export interface HealthcheckConfig {
  /** `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", text]`. */
  test: string[];
  /** Nanoseconds; 0: inherited. So are the next three. */
  interval: bigint;
  timeout: bigint;
  startPeriod: bigint;
  startInterval: bigint;
  retries: number;
}

export interface HealthcheckCommand extends CommandBase {
  kind: 'healthcheck';
  health: HealthcheckConfig;
}

export interface ExposeCommand extends CommandBase {
  kind: 'expose';
  /** Sorted by their UTF-8 bytes, not expanded: a word may expand to several ports. */
  ports: string[];
}

export interface UserCommand extends CommandBase {
  kind: 'user';
  /** Expanded. */
  user: string;
}

export interface VolumeCommand extends CommandBase {
  kind: 'volume';
  /** Expanded. */
  volumes: string[];
}

export interface StopSignalCommand extends CommandBase {
  kind: 'stopsignal';
  /** Expanded. */
  signal: string;
}

export interface Arg {
  /** Expanded. */
  key: string;
  /** Expanded. Undefined: no default. */
  value: string | undefined;
  /** The comment line `# <key> <description>` directly above, without the key; empty when there is none. */
  docComment: string;
}

export interface ArgCommand extends CommandBase {
  kind: 'arg';
  args: Arg[];
}

export interface ShellCommand extends CommandBase {
  kind: 'shell';
  shell: string[];
}

export type Command =
  | AddCommand
  | ArgCommand
  | CmdCommand
  | CopyCommand
  | EntrypointCommand
  | EnvCommand
  | ExposeCommand
  | HealthcheckCommand
  | LabelCommand
  | MaintainerCommand
  | OnbuildCommand
  | RunCommand
  | ShellCommand
  | StopSignalCommand
  | UserCommand
  | VolumeCommand
  | WorkdirCommand;

export type CommandKind = Command['kind'];

/** A FROM and the commands up to the next one. */
export interface Stage {
  kind: 'stage';
  /** Lower case; empty when it has none. */
  name: string;
  commands: Command[];
  /** The word FROM as written. */
  keyword: string;
  /** Not expanded. */
  baseName: string;
  /** Not expanded. Empty: flag not given. */
  platform: string;
  /** The comment line `# <name> <description>` directly above FROM, without the name. */
  docComment: string;
  /** The FROM instruction's text, trimmed. */
  code: string;
  location: readonly SourceRange[];
  comments: readonly string[];
}

export interface ParsedStages {
  stages: Stage[];
  /** ARG instructions before the first FROM. */
  metaArgs: ArgCommand[];
}

/**
 * Expands one word: the converter's callback around `Lex`.
 * @throws DockerfileError
 */
export type WordExpander = (word: string) => string;
