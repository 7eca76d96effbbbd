/** RUN --mount (BuildKit v0.32.2, dockerfile2llb/convert_runmount.go, convert_secrets.go, convert_ssh.go). */
import { file } from '../../../llb/builder/file.ts';
import type { MountSpec, SecretSpec, SshSpec } from '../../../llb/builder/mount.ts';
import { cleanPath, joinPath } from '../../../llb/builder/path.ts';
import { State } from '../../../llb/builder/state.ts';
import type { Mount, RunCommand } from '../instructions/types.ts';
import { DockerfileError } from '../parser/error.ts';
import { goQuote } from '../../../errors/go_quote.ts';
import type { Conversion } from './conversion.ts';
import type { StageState } from './stage.ts';

const SECRET_MODE = 0o400;
const SSH_MODE = 0o600;
const CACHE_MODE = 0o755;
/** Directory with the wanted owner and mode in the file system that a cache mount starts from. */
const CACHE_ROOT = '/cache';

export interface RunMounts {
  mounts: MountSpec[];
  secrets: SecretSpec[];
  ssh: SshSpec[];
}

/**
 * The mounts of a RUN; `sources` are the stages that they name, one for each.
 * @throws DockerfileError
 */
export function runMounts(
  conversion: Conversion,
  stage: StageState,
  command: RunCommand,
  sources: readonly StageState[],
): RunMounts {
  const found: RunMounts = { mounts: [], secrets: [], ssh: [] };
  for (const [i, mount] of command.mounts.entries()) {
    const source = mount.from === '' && mount.type !== 'cache' ? undefined : sources[i];
    if (source?.dispatched === false) {
      const from = mount.from === '' ? 'scratch' : mount.from;
      throw new DockerfileError(
        `cannot mount from stage ${goQuote(from)} to ${goQuote(mount.target)}, stage needs to be defined before current command`,
      );
    }
    if (mount.type === 'secret') found.secrets.push(secretMount(stage, mount, command));
    else if (mount.type === 'ssh') found.ssh.push(sshMount(stage, mount, command));
    else {
      found.mounts.push(directoryMount(conversion, stage, mount, source));
      const used = joinPath('/', mount.source);
      if (source === undefined) stage.contextPaths.add(used);
      else source.paths.add(used);
    }
  }
  return found;
}

function directoryMount(
  { buildContext, options }: Conversion,
  stage: StageState,
  mount: Mount,
  source: StageState | undefined,
): MountSpec {
  let state = source === undefined ? buildContext : source.state;
  if (mount.type === 'tmpfs') state = State.scratch();
  const selector = joinPath('/', mount.source);
  const spec: MountSpec = { target: targetOf(stage, mount), source: state };
  if (mount.type === 'tmpfs') spec.tmpfs = { size: mount.sizeLimit };
  if (mount.readOnly) spec.readonly = true;
  else if (mount.type === 'bind') spec.noOutput = true;
  if (mount.type === 'cache') {
    const id = mount.cacheId === '' ? cleanPath(mount.target) : mount.cacheId;
    spec.cache = { id: `${options.cacheIdNamespace}/${id}`, sharing: mount.cacheSharing ?? 'shared' };
  }
  if (selector !== '/') spec.selector = selector;
  else if (mount.uid !== undefined || mount.gid !== undefined || mount.mode !== undefined) {
    spec.source = withOwner(state, mount);
    spec.selector = CACHE_ROOT;
  }
  return spec;
}

/** @throws DockerfileError for the root */
function targetOf(stage: StageState, { target }: Mount): string {
  const absolute = cleanPath(target).startsWith('/') ? target : joinPath('/', stage.state.values.dir, target);
  if (absolute === '/') throw new DockerfileError(`invalid mount target ${goQuote(absolute)}`);
  return absolute;
}

function withOwner(state: State, { uid = 0, gid = 0, mode = CACHE_MODE }: Mount): State {
  const owner = { user: { id: uid }, group: { id: gid } };
  return file(state, [{ kind: 'mkdir', path: CACHE_ROOT, mode, owner }], {
    customName: '[internal] setting cache mount permissions',
  });
}

function secretMount(stage: StageState, mount: Mount, { location }: RunCommand): SecretSpec {
  const { cacheId, source, target, env, required } = mount;
  let id = source === '' ? cacheId : source;
  if (id === '') {
    if (target === '') throw new DockerfileError('one of source, target required');
    id = baseName(target);
  }
  if (!stage.outline.secrets.has(id)) stage.outline.secrets.set(id, { location, required });
  const file = target === '' ? `/run/secrets/${baseName(id)}` : target;
  const custom = mount.uid !== undefined || mount.gid !== undefined || mount.mode !== undefined;
  return {
    id,
    target: env === undefined || target !== '' ? file : undefined,
    env,
    optional: !required,
    uid: custom ? (mount.uid ?? 0) : 0,
    gid: custom ? (mount.gid ?? 0) : 0,
    mode: mount.mode ?? SECRET_MODE,
  };
}

function sshMount(stage: StageState, mount: Mount, { location }: RunCommand): SshSpec {
  const { cacheId, source, target, required } = mount;
  if (source !== '') throw new DockerfileError('ssh does not support source');
  const id = cacheId === '' ? 'default' : cacheId;
  if (!stage.outline.ssh.has(id)) stage.outline.ssh.set(id, { location, required });
  return {
    id: cacheId,
    target,
    optional: !required,
    uid: mount.uid ?? 0,
    gid: mount.gid ?? 0,
    mode: mount.mode ?? SSH_MODE,
  };
}

/** The last element of a path; `/` for slashes only, `.` for nothing. */
export function baseName(path: string): string {
  if (path === '') return '.';
  const trimmed = path.replace(/\/+$/, '');
  return trimmed === '' ? '/' : trimmed.slice(trimmed.lastIndexOf('/') + 1);
}
