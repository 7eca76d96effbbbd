/** FROM: makes the stages of a Dockerfile, with base names and platforms expanded. */
import { compareUtf8 } from '../../../llb/marshal.ts';
import { parsePlatform } from '../../../llb/platform.ts';
import type { Platform } from '../../../llb/gen/ops_pb.js';
import { messageOf } from '../../../errors/error.ts';
import type { Command, Stage } from '../instructions/types.ts';
import type { Linter } from '../lint/linter.ts';
import { ignoresCache } from '../options/options.ts';
import { DockerfileError, withLocation } from '../parser/error.ts';
import { suggest } from '../text/suggest.ts';
import type { Conversion } from './conversion.ts';
import { lintConstantPlatform, lintRedundantPlatform, lintUnknownArgs } from './lint_stages.ts';
import type { OutlineCapture } from './outline_capture.ts';
import { StageState } from './stage.ts';

/** Instructions that are steps of their own in progress. */
const STEP_KINDS: ReadonlySet<Command['kind']> = new Set(['add', 'copy', 'run', 'workdir']);

/** Base name of an empty file system. */
export const SCRATCH = 'scratch';

/**
 * Registers every stage with `conversion.stages`.
 * @throws DockerfileError with the FROM's location
 */
export function addStages(conversion: Conversion, stages: readonly Stage[], outline: OutlineCapture): void {
  const known = new Set([...outline.args.keys(), ...conversion.globalArgs.keys()]);
  for (const [i, stage] of stages.entries()) addStage(conversion, stage, i, outline, known);
}

function addStage(
  conversion: Conversion,
  written: Stage,
  index: number,
  outline: OutlineCapture,
  known: ReadonlySet<string>,
): void {
  const { globalArgs, lex, options, stages } = conversion;
  const { location } = written;
  const lint = conversion.lint.forComments(written.comments);
  const word = lex.tryWord(written.baseName, globalArgs);
  lintUnknownArgs(known, word.unmatched, location, lint);
  if (word.error !== undefined) throw withLocation(word.error, location);
  if (word.result === '') {
    throw withLocation(new DockerfileError(`base name (${written.baseName}) should not be blank`), location);
  }
  const stage = new StageState({ ...written, baseName: word.result }, outline.clone());
  const used = new Set(word.matched);
  if (written.platform !== '') {
    const { platform, matched } = stagePlatform(conversion, written, known, lint);
    stage.platform = platform;
    for (const name of matched) used.add(name);
  }
  if (written.name !== '') {
    stage.namedContext = findNamedContext(conversion, written.name, stage, stage.platform);
    if (stage.namedContext !== undefined) {
      stages.add(stage);
      stage.base = undefined;
      return;
    }
  } else {
    stage.shownName = `stage-${index}`;
  }
  stages.add(stage);
  for (const name of used) stage.outline.usedArgs.add(name);
  const ownImage = stage.stage.baseName !== SCRATCH && stage.base === undefined;
  stage.stepTotal = Number(ownImage) + written.commands.filter(({ kind }) => STEP_KINDS.has(kind)).length;
  stage.ignoreCache = ignoresCache(options, written.name);
}

function stagePlatform(
  { globalArgs, lex }: Conversion,
  stage: Stage,
  known: ReadonlySet<string>,
  lint: Linter,
): { platform: Platform; matched: Iterable<string> } {
  const { location } = stage;
  const word = lex.tryWord(stage.platform, globalArgs);
  lintUnknownArgs(known, word.unmatched, location, lint);
  lintRedundantPlatform(stage.platform, word, globalArgs, location, lint);
  lintConstantPlatform(stage.name, word, location, lint);
  if (word.error !== undefined) {
    const why = `failed to process arguments for platform ${word.result}: ${messageOf(word.error)}`;
    throw withLocation(new DockerfileError(why, { cause: word.error }), location);
  }
  const hint = (message: string): string => withAnySuggestion(message, word.unmatched, globalArgs.keys());
  if (word.result === '') {
    const why = `empty platform value from expression ${stage.platform}`;
    throw withLocation(new DockerfileError(hint(why)), location);
  }
  try {
    return { platform: parsePlatform(word.result), matched: word.matched };
  } catch (error) {
    const why = `failed to parse platform ${stage.platform}: ${hint(messageOf(error))}`;
    throw withLocation(withLocation(new DockerfileError(why, { cause: error }), location), location);
  }
}

function withAnySuggestion(message: string, unmatched: Iterable<string>, options: readonly string[]): string {
  for (const name of unmatched) {
    const match = suggest(name, options);
    if (match !== undefined) return `${message} (did you mean ${match}?)`;
  }
  return message;
}

/** The context that an option puts in the place of `name`; never for `scratch` and `context`. */
export function findNamedContext(
  { namedContexts, options, targetPlatform, implicitTarget }: Conversion,
  name: string,
  stage: StageState,
  platform: Platform | undefined,
): StageState['namedContext'] {
  const lower = name.toLowerCase();
  if (lower === SCRATCH || lower === 'context') return undefined;
  return namedContexts.find(name, {
    platform: platform ?? (implicitTarget ? undefined : targetPlatform),
    resolveMode: options.resolveMode,
    followPaths: () => followPaths(stage.paths),
  });
}

/** The paths as a local source wants them, sorted; none when all of the files are used. */
export function followPaths(paths: ReadonlySet<string>): string[] {
  if (paths.has('/')) return [];
  return [...paths].map((path) => path.replace(/^\/+/, '')).sort(compareUtf8);
}
