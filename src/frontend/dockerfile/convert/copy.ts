/** COPY and ADD. */
import { file } from '../../../llb/builder/file.ts';
import { parseOwner, type CopyStep } from '../../../llb/builder/file_action.ts';
import { merge } from '../../../llb/builder/merge.ts';
import type { OpOptions } from '../../../llb/builder/constraints.ts';
import { State } from '../../../llb/builder/state.ts';
import type { AddCommand, CopyCommand } from '../instructions/types.ts';
import { DockerfileError } from '../parser/error.ts';
import { parseChmod } from './chmod.ts';
import { locationIn, type Conversion } from './conversion.ts';
import { heredocSource, isGitSource, isHttpSource, pathSource, remoteSource } from './copy_sources.ts';
import { addLayerHistory } from './history.ts';
import { joinPath } from '../../../llb/builder/path.ts';
import { isAbsolute, normalizePath, withoutDrive } from './os_path.ts';
import type { StageState } from './stage.ts';
import { currentStepName, shownCommand, stepName } from './step_name.ts';
import { randomId } from './random_id.ts';

/** What all sources of one COPY or ADD have in common. */
export interface CopyRequest {
  conversion: Conversion;
  stage: StageState;
  command: AddCommand | CopyCommand;
  /** Files of the build context or of another stage. */
  files: State;
  /** True for the build context. */
  fromContext: boolean;
  /** Absolute, as the image's operating system's path with slashes. */
  dest: string;
  /** Display name of the step. */
  name: string;
  mode: number | string | undefined;
  owner: CopyStep['owner'];
}

/**
 * `from` undefined: the build context.
 * @throws DockerfileError
 */
export function convertCopy(
  conversion: Conversion,
  stage: StageState,
  command: AddCommand | CopyCommand,
  from: StageState | undefined,
): void {
  const { lex, options, sourceMap, targetPlatform, epoch, buildContext } = conversion;
  const dest = destination(stage, command.destPath);
  const mode = command.chmod === '' ? undefined : parseChmod(command.chmod);
  checkChecksum(command);
  const { env } = stage.state.values;
  const platform = stage.platform ?? targetPlatform;
  const shown = shownCommand(lex, command.code, env);
  const name = stepName(stage, shown, options.multiPlatform, platform, env);
  const request: CopyRequest = {
    conversion,
    stage,
    command,
    files: from === undefined ? buildContext : from.state,
    fromContext: from === undefined,
    dest,
    name,
    mode,
    owner: command.chown === '' ? undefined : parseOwner(command.chown),
  };
  const steps = stepsOf(request);
  const op: OpOptions = {
    customName: name,
    locations: locationIn(sourceMap, command.location),
    ignoreCache: stage.ignoreCache,
  };
  if (command.link && command.chmod === '') {
    const progressGroup = { id: conversion.gateway.newId?.() ?? randomId(), name };
    const copy = file(State.scratch(), steps, {
      ...op,
      platform: stage.platform,
      progressGroup: { ...progressGroup, weak: true },
    });
    const merged = merge([stage.state, copy], {
      ...op,
      progressGroup: { ...progressGroup, weak: false },
      customName: currentStepName(stage, `LINK ${shown}`, options.multiPlatform, platform, env),
    });
    stage.state = stage.state.withOutput(merged.output);
  } else {
    stage.state = file(stage.state, steps, op);
  }
  addLayerHistory(stage.image, `${historyText(command)} # buildkit`, epoch);
  const used = from === undefined ? stage.contextPaths : from.paths;
  for (const source of command.sourcePaths) {
    const url = /^https?:\/\//.test(source);
    if (command.kind === 'copy' || !url) used.add(joinPath('/', source));
  }
}

function destination(stage: StageState, path: string): string {
  const os = stage.platform?.OS ?? '';
  const plain = withoutDrive(path, os, true);
  if (isAbsolute(plain, os)) return normalizePath('/', plain, os, true);
  const relative = plain === '.' || plain === '' ? './' : plain;
  return normalizePath(stage.state.values.dir, relative, os, true);
}

function checkChecksum(command: AddCommand | CopyCommand): void {
  if (command.kind === 'copy' || command.checksum === '') return;
  const [source = '', ...more] = command.sourcePaths;
  if (command.sourcePaths.length === 0 || more.length > 0) {
    throw new DockerfileError("checksum can't be specified for multiple sources");
  }
  if (!isHttpSource(source) && !isGitSource(source)) {
    throw new DockerfileError('checksum requires HTTP(S) or Git sources');
  }
}

function stepsOf(request: CopyRequest): CopyStep[] {
  const { command } = request;
  // What a git address says about .git and commit counts for the git sources after it too.
  const inherited =
    command.kind === 'add'
      ? { keepGitDir: command.keepGitDir, checksum: command.checksum }
      : { keepGitDir: undefined, checksum: '' };
  const paths = command.sourcePaths.map(
    (source) => remoteSource(request, source, inherited) ?? pathSource(request, source),
  );
  const heredocs = command.sourceContents.map((content) => heredocSource(request, content));
  return [...paths, ...heredocs];
}

function historyText(command: AddCommand | CopyCommand): string {
  return [
    command.kind === 'add' ? 'ADD' : 'COPY',
    ...(command.kind === 'copy' && command.parents ? ['--parents'] : []),
    ...(command.chown === '' ? [] : [`--chown=${command.chown}`]),
    ...(command.chmod === '' ? [] : [`--chmod=${command.chmod}`]),
    ...command.sourcePaths,
    ...command.sourceContents.map(({ path }) => `<<${path}`),
    command.destPath,
  ].join(' ');
}
