/** Lint rules and their configuration. The rules are in rules.ts, the `Linter` class in linter.ts. */
import type { SourceRange } from '../../../progress/events.ts';

/** A rule; `Args` are what its message needs. */
export interface LintRule<Args extends string[] = string[]> {
  readonly name: string;
  readonly description: string;
  /** Empty when the rule has no page. */
  readonly url: string;
  /** Runs only when asked for by name or with `experimental=all`. */
  readonly experimental?: boolean;
  readonly format: (...args: Args) => string;
}

export interface LintWarning {
  ruleName: string;
  description: string;
  url: string;
  message: string;
  location: readonly SourceRange[];
}

export type LintWarn = (warning: LintWarning) => void;

/** The value of a `check` directive or of the build argument BUILDKIT_DOCKERFILE_CHECK. */
export interface LintConfig {
  skipAll: boolean;
  skipRules: string[];
  experimentalAll: boolean;
  experimentalRules: string[];
  /** Any violation fails the build, after the warnings were sent. */
  returnAsError: boolean;
}
