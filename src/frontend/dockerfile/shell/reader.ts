/** The characters of a word, one at a time. */
import { replaceInvalid } from '../text/bytes.ts';

/** Steps through code points. A byte order mark at the start is skipped, as Go's text/scanner does. */
export class CharReader {
  readonly #chars: string[];
  #at = 0;

  constructor(text: string) {
    this.#chars = Array.from(replaceInvalid(text).replace(/^\ufeff/, ''));
  }

  /** Undefined at the end. */
  peek(): string | undefined {
    return this.#chars[this.#at];
  }

  next(): string | undefined {
    return this.#chars[this.#at++];
  }

  atEnd(): boolean {
    return this.#at >= this.#chars.length;
  }
}
