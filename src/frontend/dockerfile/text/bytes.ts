/**
 * Dockerfiles as strings. A Dockerfile is bytes that need not be UTF-8 (a comment in Latin-1 is fine), and some of
 * BuildKit's rules look at single bytes. A byte that is not part of valid UTF-8 is kept as the lone surrogate
 * U+DC00 + byte: no valid text contains it, protobuf refuses it in a string as BuildKit's marshalling does, and
 * {@link encodeText} gives the same bytes back.
 */
import { isUtf8 } from 'node:buffer';

const INVALID_BASE = 0xdc00;
const REPLACEMENT = '\ufffd';
/** A byte that was not UTF-8. */
const INVALID_BYTE = /^[\udc80-\udcff]$/;

/** The text of `data`; a byte order mark stays in it. */
export function decodeText(data: Uint8Array): string {
  if (isUtf8(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('utf8');
  let out = '';
  for (let at = 0; at < data.length;) {
    const length = sequenceLength(data, at);
    if (length === 0) {
      out += String.fromCharCode(INVALID_BASE + (data[at] ?? 0));
      at++;
    } else {
      out += Buffer.from(data.subarray(at, at + length)).toString('utf8');
      at += length;
    }
  }
  return out;
}

/** The bytes that {@link decodeText} made `text` of. */
export function encodeText(text: string): Uint8Array {
  if (text.isWellFormed()) return Buffer.from(text, 'utf8');
  const parts: Buffer[] = [];
  for (const char of text) {
    parts.push(
      INVALID_BYTE.test(char) ? Buffer.from([char.charCodeAt(0) - INVALID_BASE]) : Buffer.from(char, 'utf8'),
    );
  }
  return Buffer.concat(parts);
}

/** `text` with every byte that was not UTF-8 replaced by U+FFFD, as Go does when it decodes runes. */
export function replaceInvalid(text: string): string {
  return text.isWellFormed() ? text : text.replace(/[\ud800-\udfff]/gu, REPLACEMENT);
}

/** Length of the valid UTF-8 sequence at `at`, 0 when there is none. */
function sequenceLength(data: Uint8Array, at: number): number {
  const lead = data[at] ?? 0;
  if (lead < 0x80) return 1;
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  const sequence = data.subarray(at, at + length);
  return sequence.length === length && isUtf8(sequence) ? length : 0;
}
