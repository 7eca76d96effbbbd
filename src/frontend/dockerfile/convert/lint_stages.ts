/** Lint checks of whole Dockerfiles and of FROM (BuildKit v0.32.2, dockerfile2llb/validations.go). */
import { formatPlatformFull, normalizePlatform, parsePlatform } from '../../../llb/platform.ts';
import type { Platform } from '../../../llb/gen/ops_pb.js';
import { parseNormalizedReference } from '../../../llb/reference.ts';
import type { EnvList } from '../../../llb/builder/env.ts';
import type { SourceRange } from '../../../progress/events.ts';
import type { ArgCommand, Stage } from '../instructions/types.ts';
import type { Linter } from '../lint/linter.ts';
import {
  consistentInstructionCasing,
  duplicateStageName,
  fromPlatformFlagConstDisallowed,
  invalidBaseImagePlatform,
  invalidDefaultArgInFrom,
  redundantTargetPlatform,
  reservedStageName,
  undefinedArgInFrom,
} from '../lint/rules.ts';
import type { WordOutcome } from '../shell/contract.ts';
import type { Lex } from '../shell/lex.ts';
import { goLower, goUpper } from '../text/case.ts';
import { suggest } from '../text/suggest.ts';
import { globalArgs } from './global_args.ts';

const RESERVED_NAMES = new Set(['context', 'scratch']);

/** Names that contexts have by themselves, and names used twice. */
export function lintStageNames(stages: readonly Stage[], lint: Linter): void {
  const seen = new Set<string>();
  for (const { name, location } of stages) {
    if (name === '') continue;
    if (RESERVED_NAMES.has(name)) lint.run(reservedStageName, location, name);
    if (seen.has(name)) lint.run(duplicateStageName, location, name);
    seen.add(name);
  }
}

/** Keywords in the case that most of them have. */
export function lintKeywordCasing(stages: readonly Stage[], lint: Linter): void {
  const keywords = stages.flatMap((stage) => [
    { word: stage.keyword, location: stage.location },
    ...stage.commands.map(({ name, location }) => ({ word: name, location })),
  ]);
  const lower = keywords.filter(({ word }) => word === goLower(word)).length;
  const upper = keywords.filter(({ word }) => word === goUpper(word) && word !== goLower(word)).length;
  const wanted = lower > upper ? 'lowercase' : 'uppercase';
  for (const { word, location } of keywords) {
    const right = wanted === 'lowercase' ? goLower(word) : goUpper(word);
    if (word !== right) lint.run(consistentInstructionCasing, location, word, wanted);
  }
}

/** Base names that are no references when no build argument is given. */
export function lintDefaultBases(
  stages: readonly Stage[],
  predefined: EnvList,
  metaArgs: readonly ArgCommand[],
  lex: Lex,
  lint: Linter,
): void {
  let env: EnvList;
  try {
    ({ env } = globalArgs(predefined, lex, metaArgs, new Map()));
  } catch {
    // The conversion meets the same error and reports it.
    return;
  }
  for (const { baseName, location } of stages) {
    const { result, error } = lex.tryWord(baseName, env);
    if (error !== undefined) return;
    if (!isReference(result)) lint.run(invalidDefaultArgInFrom, location, baseName);
  }
}

function isReference(text: string): boolean {
  try {
    parseNormalizedReference(text);
    return true;
  } catch {
    return false;
  }
}

/** Variables in FROM that no ARG before the first stage defines. */
export function lintUnknownArgs(
  known: ReadonlySet<string>,
  unmatched: Iterable<string>,
  location: readonly SourceRange[],
  lint: Linter,
): void {
  for (const name of unmatched) {
    if (!known.has(name)) lint.run(undefinedArgInFrom, location, name, suggest(name, known) ?? '');
  }
}

/** `--platform=$TARGETPLATFORM`, which is the default. */
export function lintRedundantPlatform(
  written: string,
  word: WordOutcome,
  env: EnvList,
  location: readonly SourceRange[],
  lint: Linter,
): void {
  const only = word.matched.size === 1 && word.unmatched.size === 0;
  if (only && word.matched.has('TARGETPLATFORM') && word.result === (env.get('TARGETPLATFORM') ?? '')) {
    lint.run(redundantTargetPlatform, location, written);
  }
}

/** `--platform=linux/amd64` for a stage that is not named for the platform. */
export function lintConstantPlatform(
  stageName: string,
  word: WordOutcome,
  location: readonly SourceRange[],
  lint: Linter,
): void {
  if (word.matched.size > 0 || word.unmatched.size > 0) return;
  let platform: Platform;
  try {
    platform = parsePlatform(word.result);
  } catch {
    return;
  }
  if (stageName.includes(platform.OS) || stageName.includes(platform.Architecture)) return;
  lint.run(fromPlatformFlagConstDisallowed, location, word.result);
}

/** An image that is for another platform than the one asked for. */
export function lintImagePlatform(
  name: string,
  expected: Platform,
  actual: Platform,
  location: readonly SourceRange[],
  lint: Linter,
): void {
  if (expected.OS === actual.OS && expected.Architecture === actual.Architecture) return;
  const text = (platform: Platform): string => formatPlatformFull(normalizePlatform(platform));
  lint.run(invalidBaseImagePlatform, location, name, text(expected), text(actual));
}
