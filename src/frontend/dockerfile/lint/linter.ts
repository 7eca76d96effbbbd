/** Runs lint rules under a configuration that comments may widen for single instructions. */
import type { SourceRange } from '../../../progress/events.ts';
import { DockerfileError } from '../parser/error.ts';
import { checkDirectiveOf } from '../parser/directives.ts';
import { parseLintConfig } from './config.ts';
import type { LintConfig, LintRule, LintWarn } from './contract.ts';

/** Collects what one conversion violates. Copies made by {@link Linter.forComments} share that collection. */
export class Linter {
  readonly #config: LintConfig;
  readonly #warn: LintWarn;
  readonly #violated: Set<string>;

  constructor(config: LintConfig, warn: LintWarn, violated = new Set<string>()) {
    this.#config = config;
    this.#warn = warn;
    this.#violated = violated;
  }

  /** Sends a warning with the rule's message made of `args`, unless the rule is skipped. */
  run<Args extends string[]>(rule: LintRule<Args>, location: readonly SourceRange[], ...args: Args): void {
    if (!this.#applies(rule)) return;
    this.#violated.add(rule.name);
    this.#warn({
      ruleName: rule.name,
      description: rule.description,
      url: rule.url,
      message: rule.format(...args),
      location,
    });
  }

  /**
   * The linter for an instruction with these comments above it: a `# check=skip=…` or `# check=experimental=…`
   * among them adds to the configuration; `error=` has no effect there. The first such comment counts, and one that
   * does not parse is ignored.
   */
  forComments(comments: readonly string[]): Linter {
    for (const comment of comments) {
      const value = checkDirectiveOf(comment);
      if (value === undefined) continue;
      try {
        return this.#with(parseLintConfig(value));
      } catch {
        return this;
      }
    }
    return this;
  }

  /** The error of a configuration with `error=true` once a rule was violated. */
  error(): DockerfileError | undefined {
    if (!this.#config.returnAsError || this.#violated.size === 0) return undefined;
    return new DockerfileError(`lint violation found for rules: ${[...this.#violated].join(', ')}`);
  }

  #applies(rule: Pick<LintRule, 'name' | 'experimental'>): boolean {
    const { skipAll, skipRules, experimentalAll, experimentalRules } = this.#config;
    return rule.experimental === true
      ? experimentalAll || experimentalRules.includes(rule.name)
      : !skipAll && !skipRules.includes(rule.name);
  }

  #with(other: LintConfig): Linter {
    const own = this.#config;
    const merged = {
      skipAll: own.skipAll || other.skipAll,
      skipRules: [...own.skipRules, ...other.skipRules],
      experimentalAll: own.experimentalAll || other.experimentalAll,
      experimentalRules: [...own.experimentalRules, ...other.experimentalRules],
      returnAsError: own.returnAsError,
    };
    return new Linter(merged, this.#warn, this.#violated);
  }
}

/** A warning's message as it is sent to clients: with the rule's name and, when known, the line. */
export function shortLintMessage(ruleName: string, message: string, line: number): string {
  return `${ruleName}: ${message}${line > 0 ? ` (line ${line})` : ''}`;
}
