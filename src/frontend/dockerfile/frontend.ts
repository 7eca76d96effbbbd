/**
 * The Dockerfile frontend: what `docker/dockerfile` images do for BuildKit (v0.32.2, package
 * frontend/dockerfile/builder), as functions of a gateway.
 */
import { CairnError } from '../../errors/error.ts';
import { marshalDefinition } from '../../llb/builder/definition.ts';
import type { SourceMap } from '../../llb/builder/source_map.ts';
import { goJson } from '../../llb/go_json.ts';
import type { Platform } from '../../llb/gen/ops_pb.js';
import { formatPlatformFull, hostPlatform, normalizePlatform } from '../../llb/platform.ts';
import { parseNormalizedReference } from '../../llb/reference.ts';
import { BuildContext } from './context/build_context.ts';
import { ImageResolver } from './context/image_resolver.ts';
import { NamedContexts } from './context/named_context.ts';
import type { FrontendForward, FrontendRef, FrontendResult, Gateway, SubrequestResult } from './contract.ts';
import { convert } from './convert/convert.ts';
import type { Inputs } from './convert/conversion.ts';
import { encodeImageConfig } from './convert/image_config.ts';
import { FrontendError } from './frontend_error.ts';
import type { LintWarn } from './lint/contract.ts';
import { shortLintMessage } from './lint/linter.ts';
import { checkCaps } from './options/caps.ts';
import { parseOptions } from './options/options.ts';
import { detectSyntax } from './parser/directives.ts';
import { inRaceOrder } from './text/race.ts';
import { wrapError } from './parser/error.ts';

/** Repositories on Docker Hub whose images are this frontend. */
const BUILT_IN = new Set(['docker/dockerfile', 'docker/dockerfile-upstream']);

/**
 * Converts the Dockerfile for each target platform.
 * @throws FrontendError, with the lines in question where they are known; UNSUPPORTED when the Dockerfile asks
 *   for another frontend
 */
export async function buildDockerfile(gateway: Gateway): Promise<FrontendResult> {
  const inputs = await open(gateway);
  return withSources(inputs.sourceMap, async () => {
    const { options } = inputs;
    const platforms = options.targetPlatforms.length === 0 ? [undefined] : options.targetPlatforms;
    // Images are asked for together. All are waited for, so that of several errors it is always the same.
    const built = await Promise.allSettled(
      platforms.map((platform, i) => buildFor(inputs, platform, i === 0 ? warnTo(inputs) : (): void => {})),
    );
    const failed = inRaceOrder(built).find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    const refs = built.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    return { refs, platforms: encodePlatforms(refs) };
  });
}

/** The subrequest `frontend.lint`. @throws FrontendError when there is no Dockerfile to check */
export async function lintDockerfile(gateway: Gateway): Promise<SubrequestResult> {
  const inputs = await open(gateway);
  const { lint } = await import('./subrequest/lint.ts');
  return lint(inputs);
}

/** The subrequest `frontend.outline`. @throws DockerfileError when the target does not convert */
export async function outlineDockerfile(gateway: Gateway): Promise<SubrequestResult> {
  const inputs = await open(gateway);
  const { outline } = await import('./subrequest/outline.ts');
  return outline(inputs, warnTo(inputs));
}

/** The subrequest `frontend.targets`. @throws DockerfileError when the Dockerfile does not parse */
export async function targetsDockerfile(gateway: Gateway): Promise<SubrequestResult> {
  const inputs = await open(gateway);
  const { targets } = await import('./subrequest/targets.ts');
  return targets(inputs.sourceMap);
}

/** The subrequest `frontend.subrequests.describe`. */
export async function describeSubrequests(): Promise<SubrequestResult> {
  const { describe } = await import('./subrequest/describe.ts');
  return describe();
}

/**
 * The frontend image that the build asks for, by a syntax directive or BUILDKIT_SYNTAX; undefined: none.
 * @throws FrontendError when there is no Dockerfile
 */
export async function detectForward(gateway: Gateway): Promise<FrontendForward | undefined> {
  parseOptions(gateway);
  const caps = checkCaps(gateway.opts['frontend.caps'] ?? '');
  if (!caps.forward && caps.error !== undefined) throw caps.error;
  return forwardOf(gateway, await new BuildContext(gateway).readDockerfile());
}

async function open(gateway: Gateway): Promise<Inputs> {
  const options = parseOptions(gateway);
  const caps = checkCaps(gateway.opts['frontend.caps'] ?? '');
  if (!caps.forward && caps.error !== undefined) throw caps.error;
  const context = new BuildContext(gateway);
  const images = new ImageResolver(gateway);
  const namedContexts = new NamedContexts(gateway, images, context);
  const sourceMap = await context.readDockerfile();
  refuseForeign(forwardOf(gateway, sourceMap), sourceMap);
  if (caps.error !== undefined) throw caps.error;
  return { gateway, options, sourceMap, context, namedContexts, images };
}

function forwardOf({ opts }: Gateway, { data, filename }: SourceMap): FrontendForward | undefined {
  if (opts['cmdline'] !== undefined) return undefined;
  const argument = opts['build-arg:BUILDKIT_SYNTAX'];
  if (argument !== undefined) {
    const [source = ''] = argument.trim().split(' ', 1);
    return { source, cmdline: argument };
  }
  const directive = detectSyntax(data);
  if (directive === undefined) return undefined;
  const { value, cmdline, location } = directive;
  return { source: value, cmdline, location: { filename, ranges: location } };
}

function refuseForeign(forward: FrontendForward | undefined, { data }: SourceMap): void {
  if (forward === undefined || isBuiltIn(forward.source)) return;
  const { location } = forward;
  throw new FrontendError(
    new CairnError(`the frontend ${forward.source} is not supported`, {
      code: 'UNSUPPORTED',
      hint: `Only docker/dockerfile is built in: use it in ${location === undefined ? 'BUILDKIT_SYNTAX' : 'the syntax directive'}.`,
    }),
    location === undefined ? [] : [{ filename: location.filename, data, ranges: location.ranges }],
  );
}

function isBuiltIn(source: string): boolean {
  try {
    const { domain, path } = parseNormalizedReference(source);
    return domain === 'docker.io' && BUILT_IN.has(path);
  } catch {
    return false;
  }
}

async function buildFor(
  inputs: Inputs,
  platform: Platform | undefined,
  warn: LintWarn,
): Promise<FrontendRef> {
  const {
    target,
    platform: targetPlatform,
    epoch,
  } = await convert(inputs, { targetPlatform: platform, warn });
  const { options } = inputs;
  const definition = encodeTarget(inputs, target.state.output, targetPlatform);
  const own = normalizePlatform(platform ?? hostPlatform());
  const ref: FrontendRef = {
    platform: own,
    definition: definition.def.length === 0 ? undefined : definition,
    imageConfig: encodeImageConfig(target.image),
  };
  if (options.multiPlatform) ref.platformId = formatPlatformFull(own);
  if (target.baseImage !== undefined) ref.baseImageConfig = encodeImageConfig(target.baseImage);
  if (epoch !== undefined) ref.sourceDateEpoch = epoch.toString();
  return ref;
}

function encodeTarget(
  { gateway }: Inputs,
  output: Parameters<typeof marshalDefinition>[0],
  platform: Platform,
): ReturnType<typeof marshalDefinition> {
  try {
    return marshalDefinition(output, { platform, localUnique: gateway.localUnique, setsDefaultPath: true });
  } catch (error) {
    throw wrapError(error, 'failed to marshal LLB definition');
  }
}

/** `refs.platforms` (exporter/containerimage/exptypes). */
function encodePlatforms(refs: readonly FrontendRef[]): string {
  return goJson({
    Platforms: refs.map(({ platform }) => ({
      ID: formatPlatformFull(platform),
      Platform: {
        architecture: platform.Architecture,
        os: platform.OS,
        'os.version': platform.OSVersion === '' ? undefined : platform.OSVersion,
        'os.features': platform.OSFeatures.length === 0 ? undefined : platform.OSFeatures,
        variant: platform.Variant === '' ? undefined : platform.Variant,
      },
    })),
  });
}

function warnTo({ gateway, sourceMap }: Inputs): LintWarn {
  const { filename, data, language, definition } = sourceMap;
  // The vertex that the Dockerfile was read from.
  const vertex = Object.keys(definition?.Source?.locations ?? {})[0] ?? '';
  return ({ ruleName, description, url, message, location }) => {
    gateway.warn({
      vertex: isDigest(vertex) ? vertex : '',
      level: 1,
      message: shortLintMessage(ruleName, message, location[0]?.start.line ?? 0).toWellFormed(),
      detail: [description],
      url,
      source: { filename, data, language },
      ranges: [...location],
    });
  };
}

function isDigest(text: string): text is `${string}:${string}` {
  return text.includes(':');
}

async function withSources<T>(sourceMap: SourceMap, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw FrontendError.at(error, sourceMap);
  }
}
