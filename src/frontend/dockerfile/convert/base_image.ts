/** Base images: resolving what FROM and COPY --from name, and starting stages from it. */
import { goQuote } from '../../../errors/go_quote.ts';
import { imageSource } from '../../../llb/builder/source.ts';
import { State } from '../../../llb/builder/state.ts';
import { formatPlatformFull } from '../../../llb/platform.ts';
import type { Platform } from '../../../llb/gen/ops_pb.js';
import {
  formatReference,
  parseNormalizedReference,
  withDefaultTag,
  type ImageReference,
} from '../../../llb/reference.ts';
import { messageOf } from '../../../errors/error.ts';
import type { LoadedContext } from '../context/named_context.ts';
import { DockerfileError, withLocation, wrapError } from '../parser/error.ts';
import { EMPTY_ENV } from '../shell/lex.ts';
import { inRaceOrder } from '../text/race.ts';
import { suggest } from '../text/suggest.ts';
import { locationIn, type Conversion } from './conversion.ts';
import { findNamedContext, SCRATCH } from './from.ts';
import { cloneImage, parseImageConfig, scratchImage, type ImageConfig } from './image_config.ts';
import { lintImagePlatform } from './lint_stages.ts';
import { reachableFrom, type StageState } from './stage.ts';
import { stepName } from './step_name.ts';

/** What the outside said about a base; applied to the stage when all answers are there. */
type Answer =
  | { kind: 'stage-context'; loaded: LoadedContext }
  | { kind: 'image-context'; loaded: LoadedContext }
  | { kind: 'image'; reference: ImageReference; image: ImageConfig }
  | { kind: 'unreachable' };

interface Base {
  stage: StageState;
  reachable: boolean;
  /** Normal form of the base name. */
  name: string;
  reference: ImageReference;
  platform: Platform;
}

/**
 * Resolves the bases of all stages that `target` needs, together. Of several failures always the same is thrown,
 * see {@link inRaceOrder}.
 * @throws DockerfileError with the FROM's location
 */
export async function resolveBases(conversion: Conversion, target: StageState): Promise<Set<StageState>> {
  const reachable = reachableFrom(target);
  const work: { stage: StageState; answer: Promise<{ base: Base; answer: Answer }> }[] = [];
  for (const stage of conversion.stages.all) {
    if (stage.base !== undefined || stage.dispatched || stage.resolved) continue;
    const needed = conversion.allStages || reachable.has(stage);
    stage.resolved = needed;
    if (stage.stage.baseName === SCRATCH && stage.namedContext === undefined) {
      startFromScratch(conversion, stage);
      continue;
    }
    work.push({ stage, answer: ask(conversion, stage, needed) });
  }
  const settled = await Promise.allSettled(work.map(({ answer }) => answer));
  let failure: DockerfileError | undefined;
  for (const [i, outcome] of inRaceOrder([...settled.entries()])) {
    const stage = work[i]?.stage;
    if (stage === undefined) continue;
    try {
      if (outcome.status === 'rejected') throw outcome.reason;
      apply(conversion, outcome.value.base, outcome.value.answer);
    } catch (error) {
      failure ??= withLocation(error, stage.stage.location);
    }
    if (stage.unregistered) stage.dispatched = true;
  }
  if (failure !== undefined) throw failure;
  return reachable;
}

function startFromScratch({ targetPlatform }: Conversion, stage: StageState): void {
  stage.state = State.scratch();
  stage.image = scratchImage(targetPlatform);
  stage.platform = targetPlatform;
  if (stage.unregistered) stage.dispatched = true;
}

async function ask(
  conversion: Conversion,
  stage: StageState,
  reachable: boolean,
): Promise<{ base: Base; answer: Answer }> {
  const base = baseOf(conversion, stage, reachable);
  return { base, answer: reachable ? await askOutside(conversion, base) : { kind: 'unreachable' } };
}

function baseOf(conversion: Conversion, stage: StageState, reachable: boolean): Base {
  const { baseName } = stage.stage;
  try {
    const reference = parseNormalizedReference(baseName);
    const platform = stage.platform ?? conversion.targetPlatform;
    return { stage, reachable, reference, platform, name: formatReference(withDefaultTag(reference)) };
  } catch (error) {
    throw wrapError(error, `failed to parse stage name ${goQuote(baseName)}`);
  }
}

async function askOutside(
  conversion: Conversion,
  { stage, name, platform, reference }: Base,
): Promise<Answer> {
  if (stage.namedContext !== undefined) {
    return { kind: 'stage-context', loaded: await stage.namedContext.load() };
  }
  const context = findNamedContext(conversion, name, stage, platform);
  if (context !== undefined) return { kind: 'image-context', loaded: await context.load() };
  const { images, options, stages } = conversion;
  const shownPlatform = options.multiPlatform ? `${formatPlatformFull(platform)} ` : '';
  const resolved = await images
    .resolve(name, {
      platform,
      resolveMode: options.resolveMode,
      logName: `[${shownPlatform}internal] load metadata for ${name}`,
    })
    .catch((error: unknown) => {
      const written = stage.stage.baseName;
      const match = suggest(written, [...stages.names(), ...COMMON_IMAGES]);
      const hint = match === undefined ? '' : ` (did you mean ${match}?)`;
      throw new DockerfileError(`${messageOf(wrapError(error, written))}${hint}`, { cause: error });
    });
  let image: ImageConfig;
  try {
    image = parseImageConfig(resolved.config);
  } catch (error) {
    throw wrapError(error, 'failed to parse image config');
  }
  const found =
    resolved.ref === formatReference(reference) ? reference : parseNormalizedReference(resolved.ref);
  return { kind: 'image', reference: { ...found, digest: resolved.digest }, image };
}

function apply(conversion: Conversion, base: Base, answer: Answer): void {
  const { stage } = base;
  switch (answer.kind) {
    case 'stage-context': {
      const { state, image } = answer.loaded;
      stage.dispatched = true;
      stage.state = state;
      if (image === undefined) return;
      stage.image = { ...image, created: undefined };
      const { platform } = image;
      if (platform.Architecture !== '' && platform.OS !== '') stage.platform = platform;
      return;
    }
    case 'image-context': {
      const image = answer.loaded.image ?? scratchImage(base.platform);
      stage.baseImage = cloneImage(image);
      stage.image = { ...cloneImage(image), created: undefined };
      stage.state = answer.loaded.state.setPlatform(base.platform);
      stage.platform = base.platform;
      return;
    }
    case 'image':
      startFromImage(conversion, base, answer);
      return;
    case 'unreachable':
      // Should a trigger of a base image need it after all, it is known, also in errors, by its full name.
      stage.stage.baseName = base.name;
      startFromReference(conversion, base, base.name, base.platform);
  }
}

function startFromImage(
  conversion: Conversion,
  base: Base,
  { reference, image }: Extract<Answer, { kind: 'image' }>,
): void {
  const { stage } = base;
  stage.baseImage = cloneImage(image);
  stage.image = { ...cloneImage(image), created: undefined };
  const platform =
    stage.platform === undefined && conversion.implicitTarget
      ? detectPlatform(image, base.platform, conversion.options.buildPlatform)
      : base.platform;
  const empty =
    (image.rootfs.diffIds ?? []).length === 0 && image.history.every(({ emptyLayer }) => emptyLayer === true);
  if (empty) {
    stage.state = State.scratch();
    stage.platform = platform;
    return;
  }
  startFromReference(conversion, base, formatReference(reference), platform);
  lintImagePlatform(stage.stage.baseName, platform, image.platform, stage.stage.location, conversion.lint);
}

function startFromReference(conversion: Conversion, base: Base, name: string, platform: Platform): void {
  const { options, sourceMap } = conversion;
  const { stage } = base;
  stage.state = imageSource(name, {
    platform,
    resolveMode: options.resolveMode,
    description: { 'com.docker.dockerfile.v1.command': stage.stage.code },
    customName: stepName(stage, `FROM ${name}`, options.multiPlatform, platform, EMPTY_ENV),
    locations: locationIn(sourceMap, stage.stage.location),
  });
  stage.platform = platform;
}

/** Without a platform asked for, an image for another one that the worker runs is taken for that. */
function detectPlatform({ platform }: ImageConfig, target: Platform, build: Platform): Platform {
  const same = (a: Platform): boolean => a.OS === platform.OS && a.Architecture === platform.Architecture;
  return !same(target) && same(build) ? build : target;
}

/** What a misspelt image was perhaps meant to be; the missing slash is BuildKit's. */
const COMMON_IMAGES = ['alpine', 'busybox', 'centos', 'debian', 'golang', 'ubuntu', 'fedora'].flatMap(
  (name) => [name, `docker.io/library${name}`, `${name}:latest`, `docker.io/library${name}:latest`],
);
