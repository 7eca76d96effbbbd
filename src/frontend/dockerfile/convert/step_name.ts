/** Display names of steps: `[stage 2/5] RUN …`. Progress shows them and clients parse them. */
import type { Platform } from '../../../llb/gen/ops_pb.js';
import { formatPlatformFull, normalizePlatform, parsePlatform, platformOf } from '../../../llb/platform.ts';
import type { Env } from '../shell/contract.ts';
import type { Lex } from '../shell/lex.ts';
import { goUpper } from '../text/case.ts';
import type { StageState } from './stage.ts';

/**
 * `text` behind the number of the next step of `stage`, with the platform where several are built. Counts the step.
 */
export function stepName(
  stage: StageState,
  text: string,
  multiPlatform: boolean,
  platform: Platform | undefined,
  env: Env,
): string {
  if (stage.stepTotal === 0) return text;
  stage.stepIndex++;
  return currentStepName(stage, text, multiPlatform, platform, env);
}

/** {@link stepName} for a further op of the same step. */
export function currentStepName(
  stage: StageState,
  text: string,
  multiPlatform: boolean,
  platform: Platform | undefined,
  env: Env,
): string {
  if (stage.stepTotal === 0) return text;
  const { stepIndex, stepTotal, shownName, inOnBuild } = stage;
  const total = String(stepTotal);
  return [
    '[',
    multiPlatform && platform !== undefined
      ? `${formatPlatformFull(platform)}${crossSuffix(platform, platformFromEnv(env))} `
      : '',
    shownName === '' ? '' : `${shownName} `,
    `${String(stepIndex).padStart(total.length)}/${total}] `,
    inOnBuild ? 'ONBUILD ' : '',
    text,
  ].join('');
}

/** An instruction's text with its keyword in upper case and variables expanded; as it is where that fails. */
export function shownCommand(lex: Lex, text: string, env: Env): string {
  const { result, error } = lex.tryWord(text, env);
  const expanded = error === undefined ? result : text;
  const space = expanded.indexOf(' ');
  if (space === -1) return goUpper(expanded);
  return goUpper(expanded.slice(0, space)) + expanded.slice(space);
}

/** `->arm64` for a step that runs on `base` and says by its variables that it builds for another platform. */
function crossSuffix(base: Platform, target: Platform | undefined): string {
  if (target === undefined) return '';
  const { OS, Architecture, Variant, OSVersion, OSFeatures } = target;
  const normal = normalizePlatform(
    platformOf({
      OS: OS === '' ? base.OS : OS,
      Architecture: Architecture === '' ? base.Architecture : Architecture,
      Variant,
      OSVersion,
      OSFeatures,
    }),
  );
  if (normal.OS !== base.OS) return `->${formatPlatformFull(normal)}`;
  if (normal.Architecture === base.Architecture) return '';
  return `->${normal.Architecture}${normal.Variant === '' ? '' : `/${normal.Variant}`}`;
}

function platformFromEnv(env: Env): Platform | undefined {
  const fields = { OS: '', Architecture: '', Variant: '' };
  let found = false;
  for (const key of env.keys()) {
    const value = env.get(key) ?? '';
    if (key === 'TARGETPLATFORM') {
      try {
        return parsePlatform(value);
      } catch {
        continue;
      }
    }
    const field = key === 'TARGETOS' ? 'OS' : key === 'TARGETARCH' ? 'Architecture' : 'Variant';
    if (field === 'Variant' && key !== 'TARGETVARIANT') continue;
    fields[field] = value;
    found = true;
  }
  return found ? platformOf(fields) : undefined;
}
