/** Public face of word expansion. */
import { DockerfileError, wrapError } from '../parser/error.ts';
import type { EscapeToken } from '../parser/contract.ts';
import { goQuote } from '../../../errors/go_quote.ts';
import type { Env, LexOptions, WordOutcome, WordResult } from './contract.ts';
import { Expansion } from './expansion.ts';

/** Expands words with one escape token and one set of options. Has no state. */
export class Lex {
  readonly #escape: EscapeToken;
  readonly #options: LexOptions;

  constructor(escape: EscapeToken, options: LexOptions = {}) {
    this.#escape = escape;
    this.#options = options;
  }

  /** The expansion of `word`; with `error` set, result and words are empty and the names are those seen until then. */
  tryWord(word: string, env: Env): WordOutcome {
    const expansion = new Expansion(word, env, this.#escape, this.#options);
    const { matched, unmatched } = expansion;
    try {
      return { ...expansion.run(), matched, unmatched };
    } catch (cause) {
      if (!(cause instanceof DockerfileError)) throw cause;
      const error = wrapError(cause, `failed to process ${goQuote(word)}`);
      return { result: '', words: [], matched, unmatched, error };
    }
  }

  /** @throws DockerfileError `failed to process "…": …` */
  processWord(word: string, env: Env): WordResult {
    const { error, ...result } = this.tryWord(word, env);
    if (error !== undefined) throw error;
    return result;
  }

  /**
   * The words of `text` after expansion.
   * @throws DockerfileError as {@link Lex.processWord}
   */
  processWords(text: string, env: Env): string[] {
    return this.processWord(text, env).words;
  }
}

/** An environment without variables. */
export const EMPTY_ENV: Env = new Map<string, string>();

/** The environment of `NAME=value` strings as image configs hold them; of a name's values the last counts. */
export function envFromList(list: readonly string[]): Env {
  return new Map(
    list.map((entry) => {
      const equals = entry.indexOf('=');
      return equals === -1
        ? ([entry, ''] as const)
        : ([entry.slice(0, equals), entry.slice(equals + 1)] as const);
    }),
  );
}
