/** "Did you mean": the nearest of some known words (rules of BuildKit v0.32.2, package util/suggest). */
import { DockerfileError } from '../parser/error.ts';
import { goLower, goUpper } from './case.ts';

/** A word this many edits away is no suggestion any more. */
const TOO_FAR = 3;

export interface SuggestOptions {
  /** Compare without case and give the answer in the case of the word. Default false. */
  ignoreCase?: boolean;
}

/**
 * The option nearest to `word`, fewer than three edits away. Undefined when there is none, or when an option equals
 * `word`, since then the word was not what is wrong. Of several at the same distance the first wins; BuildKit, which
 * walks a map, picks any.
 */
export function suggest(
  word: string,
  options: Iterable<string>,
  { ignoreCase = false }: SuggestOptions = {},
): string | undefined {
  const wanted = ignoreCase ? goLower(word) : word;
  let best: string | undefined;
  let distance = TOO_FAR;
  for (const option of options) {
    const candidate = ignoreCase ? goLower(option) : option;
    if (candidate === wanted) return undefined;
    const edits = editDistance(wanted, candidate, distance);
    if (edits < distance) {
      best = ignoreCase ? inCaseOf(candidate, word) : candidate;
      distance = edits;
    }
  }
  return best;
}

/** `message`, with ` (did you mean X?)` where {@link suggest} has an answer. */
export function withSuggestion(
  message: string,
  word: string,
  options: Iterable<string>,
  suggestOptions: SuggestOptions = {},
): string {
  const match = suggest(word, options, suggestOptions);
  return match === undefined ? message : `${message} (did you mean ${match}?)`;
}

/** An error with {@link withSuggestion}'s text. */
export function suggestError(
  message: string,
  word: string,
  options: Iterable<string>,
  suggestOptions: SuggestOptions = {},
): DockerfileError {
  return new DockerfileError(withSuggestion(message, word, options, suggestOptions));
}

/** Levenshtein distance in code points; any number of at least `limit` when it reaches that. */
function editDistance(from: string, to: string, limit: number): number {
  const a = Array.from(from);
  const b = Array.from(to);
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let row = b.map((_, index) => index + 1);
  for (const [index, char] of a.entries()) {
    let left = index + 1;
    let diagonal = index;
    const next: number[] = [];
    for (const [column, above] of row.entries()) {
      left = Math.min(left + 1, above + 1, diagonal + (b[column] === char ? 0 : 1));
      diagonal = above;
      next.push(left);
    }
    row = next;
  }
  return row.at(-1) ?? a.length;
}

function inCaseOf(match: string, word: string): string {
  if (word === goLower(word)) return match;
  return word === goUpper(word) ? goUpper(match) : match;
}
