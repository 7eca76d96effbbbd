/** RUN. */
import { exec } from '../../../llb/builder/exec.ts';
import { file } from '../../../llb/builder/file.ts';
import type { MountSpec } from '../../../llb/builder/mount.ts';
import { internalName } from '../../../llb/builder/constraints.ts';
import { joinPath } from '../../../llb/builder/path.ts';
import { State } from '../../../llb/builder/state.ts';
import { NetMode, SecurityMode } from '../../../llb/gen/ops_pb.js';
import type { RunCommand } from '../instructions/types.ts';
import { DockerfileError } from '../parser/error.ts';
import { asHeredoc, chompHeredoc } from '../parser/heredoc.ts';
import type { Env } from '../shell/contract.ts';
import { Lex } from '../shell/lex.ts';
import { encodeText } from '../text/bytes.ts';
import { trimSpace } from '../text/space.ts';
import { locationIn, type Conversion } from './conversion.ts';
import { addLayerHistory, runHistory } from './history.ts';
import { withShell } from './metadata.ts';
import { runMounts } from './run_mounts.ts';
import type { StageState } from './stage.ts';
import { shownCommand, stepName } from './step_name.ts';

/** Where scripts given as heredocs with a shebang are mounted. */
const SCRIPTS = '/dev/pipes/';

const NETWORK = { none: NetMode.NONE, host: NetMode.HOST } as const;

/** @throws DockerfileError for mounts that do not fit and for devices, which only other frontends have */
export function convertRun(
  conversion: Conversion,
  stage: StageState,
  command: RunCommand,
  sources: readonly StageState[],
): void {
  const { options, epoch, escapeToken, sourceMap, proxyEnv } = conversion;
  // A process may read anything.
  stage.paths.add('/');
  const line = commandLine(stage, command);
  const args = command.prependShell ? withShell(stage.image, { cmdLine: line.args }) : line.args;
  const { mounts, secrets, ssh } = runMounts(conversion, stage, command, sources);
  if (command.devices.length > 0) {
    throw new DockerfileError('device feature is only supported in Dockerfile frontend 1.14.0-labs or later');
  }
  const { env, platform, extraHosts, ulimits } = stage.state.values;
  const lex = new Lex(escapeToken, { rawQuotes: true, skipUnsetEnv: true });
  const shown = shownCommand(lex, command.code + line.summary, withMaskedSecrets(command, env));
  const shm: MountSpec[] =
    options.shmSize > 0n
      ? [{ target: '/dev/shm', source: State.scratch(), tmpfs: { size: options.shmSize } }]
      : [];
  const root = stage.state.with({
    network: command.network === 'default' ? stage.state.values.network : NETWORK[command.network],
    security: command.security === 'insecure' ? SecurityMode.INSECURE : SecurityMode.SANDBOX,
    extraHosts: [...extraHosts, ...options.extraHosts],
    ulimits: [...ulimits, ...options.ulimits],
    cgroupParent: options.cgroupParent,
  });
  const { output } = exec(root, {
    args,
    mounts: [...line.mounts, ...mounts, ...shm],
    secrets,
    ssh,
    proxyEnv,
    linuxResources: options.linuxResources,
    ignoreCache: stage.ignoreCache,
    description: { 'com.docker.dockerfile.v1.command': command.code },
    customName: stepName(stage, shown, options.multiPlatform, platform, env),
    locations: locationIn(sourceMap, command.location),
  });
  stage.state = stage.state.withOutput(output);
  addLayerHistory(stage.image, runHistory(args, stage.buildArgs, env), epoch);
}

interface Line {
  args: string[];
  /** What a display name adds for a heredoc. */
  summary: string;
  mounts: MountSpec[];
}

/**
 * The arguments before the shell is put in front. A heredoc alone is the script itself: with a shebang a file
 * that is run, otherwise the shell's text, so that shells without heredocs have them too.
 */
function commandLine(stage: StageState, command: RunCommand): Line {
  const { cmdLine, files } = command;
  const [first] = files;
  if (first === undefined) return { args: cmdLine, summary: '', mounts: [] };
  const [text = ''] = cmdLine;
  if (cmdLine.length !== 1 || !command.prependShell) {
    throw new DockerfileError(`parsing produced an invalid run command: [${cmdLine.join(' ')}]`);
  }
  if (asHeredoc(text) === undefined) {
    const bodies = files.map(({ name, data }) => `\n${data}${name}`);
    return { args: [text + bodies.join('')], summary: '', mounts: [] };
  }
  const data = first.chomp ? chompHeredoc(first.data) : first.data;
  const summary = ` (${summarize(first.data)})`;
  if (stage.image.platform.OS === 'windows' || !data.startsWith('#!')) {
    return { args: [data], summary, mounts: [] };
  }
  const script = file(
    State.scratch(),
    [{ kind: 'mkfile', path: first.name, mode: 0o755, data: encodeText(data) }],
    { customName: internalName('preparing inline document'), platform: stage.platform },
  );
  const mount: MountSpec = { target: SCRIPTS, source: script, selector: '/', readonly: true };
  return { args: [joinPath(SCRIPTS, first.name)], summary, mounts: [mount] };
}

function summarize(text: string): string {
  const [first = '', ...rest] = trimSpace(text).replaceAll('\r\n', '\n').split('\n');
  return rest.length > 0 ? `${first}...` : first;
}

/** Variables that come from secrets are shown as such; their values are not known here anyway. */
function withMaskedSecrets({ mounts }: RunCommand, env: Env): Env {
  const masked = new Set(
    mounts.flatMap(({ type, env: name }) => (type === 'secret' && name !== undefined ? [name] : [])),
  );
  if (masked.size === 0) return env;
  return {
    get: (name) => (masked.has(name) ? '****' : env.get(name)),
    keys: () => [...[...env.keys()].filter((name) => !masked.has(name)), ...masked],
  };
}
