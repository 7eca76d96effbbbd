/** Variable expansion in typed commands. */
import { parseMount } from './mount.ts';
import type { Command, CopySources, KeyValue, WordExpander } from './types.ts';

/** Whether {@link expandCommand} does anything for this kind of command. */
export function supportsExpansion(command: Command): boolean {
  switch (command.kind) {
    case 'add':
    case 'arg':
    case 'copy':
    case 'env':
    case 'label':
    case 'run':
    case 'stopsignal':
    case 'user':
    case 'volume':
    case 'workdir':
      return true;
    default:
      return false;
  }
}

/**
 * A copy of `command` with its expandable fields (see types.ts) passed through `expand`, in the order in which
 * BuildKit expands them. Commands without such fields are returned as they are.
 * @throws whatever `expand` throws, and DockerfileError for a RUN mount that does not parse
 */
export function expandCommand<C extends Command>(command: C, expand: WordExpander): C;
export function expandCommand(command: Command, expand: WordExpander): Command {
  switch (command.kind) {
    case 'add': {
      const chown = expand(command.chown);
      const chmod = expand(command.chmod);
      const checksum = expand(command.checksum);
      return { ...command, chown, chmod, checksum, ...expandPaths(command, expand) };
    }
    case 'copy': {
      const chown = expand(command.chown);
      const chmod = expand(command.chmod);
      return { ...command, chown, chmod, ...expandPaths(command, expand) };
    }
    case 'arg':
      return {
        ...command,
        args: command.args.map((arg) => ({
          ...arg,
          key: expand(arg.key),
          value: arg.value === undefined ? undefined : expand(arg.value),
        })),
      };
    case 'env':
      return { ...command, env: expandPairs(command.env, expand) };
    case 'label':
      return { ...command, labels: expandPairs(command.labels, expand) };
    case 'run':
      return { ...command, mounts: command.mountFlags.map((flag) => parseMount(flag, expand)) };
    case 'stopsignal':
      return { ...command, signal: expand(command.signal) };
    case 'user':
      return { ...command, user: expand(command.user) };
    case 'volume':
      return { ...command, volumes: command.volumes.map((volume) => expand(volume)) };
    case 'workdir':
      return { ...command, path: expand(command.path) };
    default:
      return command;
  }
}

/**
 * A copy of a COPY or ADD with the bodies of its unquoted heredocs passed through `expand`, which is to leave quotes
 * alone (`skipProcessQuotes`) and always uses the backslash as escape token.
 */
export function expandHeredocSources<C extends CopySources>(command: C, expand: WordExpander): C {
  return {
    ...command,
    sourceContents: command.sourceContents.map((content) =>
      content.expand ? { ...content, data: expand(content.data) } : content,
    ),
  };
}

function expandPaths(
  command: CopySources,
  expand: WordExpander,
): Pick<CopySources, 'sourcePaths' | 'destPath'> {
  const sourcePaths = command.sourcePaths.map((path) => expand(path));
  return { sourcePaths, destPath: expand(command.destPath) };
}

function expandPairs(pairs: KeyValue[], expand: WordExpander): KeyValue[] {
  return pairs.map((pair) => ({ ...pair, key: expand(pair.key), value: expand(pair.value) }));
}
