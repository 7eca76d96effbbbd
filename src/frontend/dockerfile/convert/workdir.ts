/** WORKDIR, and the working directory that an image starts with. */
import { file } from '../../../llb/builder/file.ts';
import { parseOwner } from '../../../llb/builder/file_action.ts';
import type { WorkdirCommand } from '../instructions/types.ts';
import { workdirRelativePath } from '../lint/rules.ts';
import { wrapError } from '../parser/error.ts';
import { locationIn, type Conversion } from './conversion.ts';
import { addConfigHistory, addLayerHistory } from './history.ts';
import { fromSlash, isAbsolute, normalizePath } from './os_path.ts';
import type { StageState } from './stage.ts';
import { shownCommand, stepName } from './step_name.ts';

/** @throws DockerfileError for a Windows path on another drive */
export function convertWorkdir(conversion: Conversion, stage: StageState, command: WorkdirCommand): void {
  const { lint, epoch, lex, options, sourceMap, targetPlatform } = conversion;
  const os = stage.platform?.OS ?? '';
  if (!stage.workdirSet && !isAbsolute(command.path, os)) {
    lint.run(workdirRelativePath, command.location, command.path);
  }
  stage.workdirSet = true;
  const dir = enterWorkdir(stage, command.path);
  if (dir === '/') {
    addConfigHistory(stage.image, `WORKDIR ${dir}`, epoch);
    return;
  }
  const { user } = stage.image.config;
  const { env } = stage.state.values;
  const shown = shownCommand(lex, command.code, env);
  stage.state = file(
    stage.state,
    [
      {
        kind: 'mkdir',
        path: dir,
        mode: 0o755,
        makeParents: true,
        owner: user === '' ? undefined : parseOwner(user),
        createdAt: epoch,
      },
    ],
    {
      customName: stepName(stage, shown, options.multiPlatform, stage.platform ?? targetPlatform, env),
      locations: locationIn(sourceMap, command.location),
      platform: stage.platform,
    },
  );
  addLayerHistory(stage.image, `WORKDIR ${dir}`, epoch);
}

/**
 * Makes `path` the working directory of config and state.
 * @returns it with slashes
 * @throws DockerfileError for a Windows path on another drive
 */
export function enterWorkdir(stage: StageState, path: string): string {
  const os = stage.platform?.OS ?? '';
  let dir: string;
  try {
    dir = normalizePath(stage.image.config.workingDir, path, os, false);
  } catch (error) {
    throw wrapError(error, 'normalizing workdir: normalizing working directory');
  }
  // Windows programs want backslashes, LLB does not.
  stage.image.config.workingDir = fromSlash(dir, os);
  stage.state = stage.state.setDir(dir);
  return dir;
}
