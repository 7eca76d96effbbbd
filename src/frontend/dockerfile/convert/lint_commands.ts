/** Lint checks of single commands (BuildKit v0.32.2, dockerfile2llb/validations.go). */
import { cleanPath } from '../../../llb/builder/path.ts';
import type { PatternMatcher } from '../../../snapshots/patterns/pattern_matcher.ts';
import type { SourceRange } from '../../../progress/events.ts';
import type { Arg, Command } from '../instructions/types.ts';
import type { Linter } from '../lint/linter.ts';
import {
  copyIgnoredFile,
  legacyKeyValueFormat,
  multipleInstructionsDisallowed,
  secretsUsedInArgOrEnv,
  undefinedVar,
} from '../lint/rules.ts';
import type { Env } from '../shell/contract.ts';
import { suggest } from '../text/suggest.ts';
import { NON_ENV_ARGS } from './global_args.ts';
import type { LastUse } from './stage.ts';

const SECRET_WORDS = 'apikey|auth|credential|credentials|key|password|pword|passwd|secret|token';
const SECRET_NAME = new RegExp(`(?:_|^)(?:${SECRET_WORDS})(?:_|$)`, 'i');
const HARMLESS_NAME = /(?:_|^)(?:public|file|version)(?:_|$)/i;

/** Patterns that ignore everything at the root, and with it `COPY .`. */
const IGNORE_ALL = new Set(['*', '**', '**/*']);

/** Variables that are not set and were not declared. */
export function lintUndefinedVariables(
  command: Command,
  unmatched: Iterable<string>,
  buildArgs: readonly Arg[],
  env: Env,
  lint: Linter,
): void {
  for (const name of unmatched) {
    if (NON_ENV_ARGS.has(name) || buildArgs.some(({ key }) => key === name)) continue;
    lint.run(undefinedVar, command.location, name, suggest(name, env.keys()) ?? '');
  }
}

/** CMD, ENTRYPOINT and HEALTHCHECK given twice; the earlier one is reported, for it is the one without effect. */
export function lintUsedOnce(command: Command, last: LastUse, lint: Linter): void {
  if (last.location !== undefined) lint.run(multipleInstructionsDisallowed, last.location, command.name);
  last.location = command.location;
}

/** Names that look like secrets. */
export function lintSecretName(
  keyword: string,
  name: string,
  location: readonly SourceRange[],
  lint: Linter,
): void {
  if (SECRET_NAME.test(name) && !HARMLESS_NAME.test(name)) {
    lint.run(secretsUsedInArgOrEnv, location, keyword, name);
  }
}

/** `ENV key value`. */
export function lintLegacyForm(command: Command, legacy: boolean, lint: Linter): void {
  if (legacy) lint.run(legacyKeyValueFormat, command.location, command.name);
}

/**
 * Sources that the ignore file leaves out of the context. Nothing is said where it has exceptions: a file in an
 * ignored directory may then be there.
 */
export function lintIgnoredSource(
  verb: 'Add' | 'Copy',
  source: string,
  matcher: PatternMatcher | undefined,
  location: readonly SourceRange[],
  lint: Linter,
): void {
  if (matcher === undefined || matcher.exclusions) return;
  const path = cleanPath(source);
  const root = path === '.' || path === '/';
  if (root && !matcher.patterns.some(({ text, exclusion }) => !exclusion && IGNORE_ALL.has(text))) return;
  if (matchesQuietly(matcher, path)) lint.run(copyIgnoredFile, location, verb, path);
}

function matchesQuietly(matcher: PatternMatcher, path: string): boolean {
  try {
    return matcher.matchesOrParentMatches(path);
  } catch {
    // A pattern that does not compile is reported by whoever reads the context.
    return false;
  }
}
