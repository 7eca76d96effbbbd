/**
 * From the text of a Dockerfile to a finished target stage (BuildKit v0.32.2, package
 * frontend/dockerfile/dockerfile2llb).
 */
import type { State } from '../../../llb/builder/state.ts';
import type { Platform } from '../../../llb/gen/ops_pb.js';
import { platformOf } from '../../../llb/platform.ts';
import { PatternMatcher } from '../../../snapshots/patterns/pattern_matcher.ts';
import type { LintWarn } from '../lint/contract.ts';
import { goQuote } from '../../../errors/go_quote.ts';
import { suggestError } from '../text/suggest.ts';
import { resolveBases } from './base_image.ts';
import type { Conversion, Inputs } from './conversion.ts';
import { addTriggers, linkStages } from './dependencies.ts';
import { addStages, followPaths } from './from.ts';
import { normalizeImagePlatform } from './image_config.ts';
import { prepare } from './prepare.ts';
import type { StageState } from './stage.ts';
import { convertStage } from './stage_commands.ts';

export interface ConvertRequest {
  /** Undefined: the build platform. */
  targetPlatform?: Platform | undefined;
  warn: LintWarn;
  /** Convert stages too that the target does not need. */
  allStages?: boolean;
}

/** Sets the files of {@link Conversion.buildContext}, once it is known which of them are used. */
export type SetContextFiles = (files: State) => void;

export interface Converted {
  target: StageState;
  /** For ops without a platform of their own. */
  platform: Platform;
  epoch: bigint | undefined;
}

/**
 * Converts the Dockerfile's target stage, and all that it needs, for one platform.
 * @throws DockerfileError, with the lines in question where they are known
 */
export async function convert(inputs: Inputs, request: ConvertRequest): Promise<Converted> {
  const { conversion, outline, stages, setContextFiles } = await prepare(inputs, request);
  addStages(conversion, stages, outline);
  const target = findTarget(conversion);
  linkStages(conversion.stages, conversion.lex);
  const reachable = await resolveAll(conversion, target);
  const contextPaths = await convertStages(conversion, reachable, target);
  for (const [key, value] of inputs.options.labels) target.image.config.labels.set(key, value);
  const violations = conversion.lint.error();
  if (violations !== undefined) throw violations;
  setContextFiles(await inputs.context.mainContext(followPaths(contextPaths)));
  setImagePlatform(conversion, target);
  return { target, platform: conversion.targetPlatform, epoch: conversion.epoch };
}

function findTarget({ options, stages }: Conversion): StageState {
  const { target } = options;
  const found = target === '' ? stages.last() : stages.byName(target);
  if (found !== undefined) return found;
  throw suggestError(`target stage ${goQuote(target)} could not be found`, target, stages.names());
}

/** Resolves base images until no ONBUILD trigger of one asks for another. */
async function resolveAll(conversion: Conversion, target: StageState): Promise<Set<StageState>> {
  const { stages, lex } = conversion;
  for (;;) {
    const reachable = await resolveBases(conversion, target);
    let more = false;
    for (const stage of reachable) {
      stage.inherit();
      const triggers = [...stage.image.config.onBuild];
      if (stage.base !== undefined && !stage.onBuildTaken) {
        for (const { command } of stage.base.commands) {
          if (command.kind === 'onbuild') triggers.push(command.expression);
        }
        stage.onBuildTaken = true;
      }
      if (triggers.length === 0) continue;
      if (addTriggers(stage, triggers, stages, lex)) more = true;
      stage.image.config.onBuild = [];
    }
    if (!more) return reachable;
  }
}

/** @returns the paths of the build context that the stages read */
async function convertStages(
  conversion: Conversion,
  reachable: ReadonlySet<StageState>,
  target: StageState,
): Promise<Set<string>> {
  const patterns = await conversion.context.ignorePatterns();
  const ignoreMatcher = patterns.length === 0 ? undefined : new PatternMatcher(patterns);
  const contextPaths = new Set<string>();
  for (const stage of conversion.stages.all) {
    if (!conversion.allStages && (!reachable.has(stage) || stage.dispatched)) continue;
    convertStage({ ...conversion, ignoreMatcher }, stage);
    for (const path of stage.contextPaths) contextPaths.add(path);
  }
  target.paths.add('/');
  return contextPaths;
}

/** An image built for a platform that was asked for says so, whatever its base image said. */
function setImagePlatform({ implicitTarget, targetPlatform }: Conversion, { image }: StageState): void {
  if (!implicitTarget) {
    const { OS, Architecture, Variant, OSVersion, OSFeatures } = targetPlatform;
    const own = image.platform;
    const same = OS === own.OS && Architecture === own.Architecture;
    image.platform = platformOf({
      OS,
      Architecture,
      Variant: Variant !== '' || !same ? Variant : own.Variant,
      OSVersion: OSVersion !== '' || !same ? OSVersion : own.OSVersion,
      OSFeatures: OSFeatures.length > 0 ? OSFeatures : own.OSFeatures,
    });
  }
  normalizeImagePlatform(image);
}
