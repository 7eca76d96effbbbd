/** Lines of a Dockerfile with their line ends, no longer than BuildKit's scanner takes them. */
import { decodeText, encodeText } from '../text/bytes.ts';

/** Bytes of the longest line, its line end included; one without a line end must be shorter. */
export const MAX_LINE_BYTES = 64 * 1024;

/**
 * Hands out lines. On a line that is too long `next` returns undefined as at the end, with {@link LineScanner.tooLong}
 * set; called again it returns the first 64 KiB of that line and then nothing more. That is how Go's bufio.Scanner
 * behaves, and it decides which error a Dockerfile gets whose overlong line follows an open instruction.
 */
export class LineScanner {
  readonly #text: string;
  #position = 0;
  #pending: string | undefined;
  tooLong = false;

  constructor(text: string) {
    this.#text = text;
  }

  next(): string | undefined {
    if (this.tooLong) {
      const chunk = this.#pending;
      this.#pending = undefined;
      return chunk;
    }
    const start = this.#position;
    if (start >= this.#text.length) return undefined;
    const newline = this.#text.indexOf('\n', start);
    const end = newline === -1 ? this.#text.length : newline + 1;
    const line = this.#text.slice(start, end);
    this.#position = end;
    const limit = newline === -1 ? MAX_LINE_BYTES - 1 : MAX_LINE_BYTES;
    // A UTF-16 unit is at most three bytes of UTF-8: short lines need no counting.
    if (line.length * 3 <= limit || encodeText(line).length <= limit) return line;
    this.tooLong = true;
    this.#pending = decodeText(encodeText(line).subarray(0, MAX_LINE_BYTES));
    return undefined;
  }
}
