/** Splits what an expansion produces into words. */
import { isSpace } from '../text/space.ts';

/** The word being collected. One for all levels of an expansion: see {@link WordSplitter}. */
export interface WordBuffer {
  text: string;
}

/**
 * Collects words. A `${name:-word}` is expanded by a splitter of its own on the same buffer, which empties it: the
 * part of an outer word before such a reference is lost. BuildKit does so, and EXPOSE shows it
 * (`EXPOSE 80${X:-80}` exposes 80).
 */
export class WordSplitter {
  readonly #buffer: WordBuffer;
  readonly #words: string[] = [];
  #inWord = false;

  constructor(buffer: WordBuffer) {
    this.#buffer = buffer;
    buffer.text = '';
  }

  /** Adds text in which white space separates words. */
  add(text: string): void {
    for (const char of text) {
      if (!isSpace(char)) this.addRaw(char);
      else if (this.#inWord && this.#buffer.text !== '') {
        this.#words.push(this.#buffer.text);
        this.#buffer.text = '';
        this.#inWord = false;
      }
    }
  }

  /** Adds text that belongs to the word whatever is in it. */
  addRaw(text: string): void {
    this.#buffer.text += text;
    this.#inWord = true;
  }

  /** All words; ends the last one. */
  finish(): string[] {
    if (this.#buffer.text !== '') {
      this.#words.push(this.#buffer.text);
      this.#buffer.text = '';
      this.#inWord = false;
    }
    return this.#words;
  }
}
