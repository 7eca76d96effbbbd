/** Word expansion as the Dockerfile frontend does it. The implementation is `Lex` in lex.ts. */
import type { DockerfileError } from '../parser/error.ts';

/** Variables that a word may refer to. `Map<string, string>` is one. */
export interface Env {
  get(name: string): string | undefined;
  keys(): Iterable<string>;
}

export interface LexOptions {
  /** Quotes stay in the result. */
  rawQuotes?: boolean;
  /** Escape tokens stay in the result. */
  rawEscapes?: boolean;
  /** Quotes are ordinary characters: for the body of a heredoc. */
  skipProcessQuotes?: boolean;
  /** A reference to a variable that is not set stays as it was written. */
  skipUnsetEnv?: boolean;
}

export interface WordResult {
  result: string;
  /** The same split at unquoted white space, after expansion. */
  words: string[];
  /** Names looked up and found, in order of first use. */
  matched: Set<string>;
  /** Names looked up and not found, in order of first use. */
  unmatched: Set<string>;
}

/** {@link WordResult} where a failure is a value, because the names seen until then still count for linting. */
export interface WordOutcome extends WordResult {
  error?: DockerfileError;
}
