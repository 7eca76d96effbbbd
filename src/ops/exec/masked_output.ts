/** A step's output with the values of its secrets taken out. */

/** Shorter values are not looked for: they would blank out ordinary text (as errors/error.ts has it). */
const MIN_SECRET_BYTES = 4;
const MASK = Buffer.from('xxxxx');

/**
 * A filter for one stream. The end of a piece that might be the beginning of a value is held back until the
 * next piece or `end` shows what it is.
 */
export function createMask(values: readonly Uint8Array[], emit: (data: Uint8Array) => void) {
  const secrets = values
    .map((value) => Buffer.from(Buffer.from(value).toString().trim()))
    .filter((value) => value.length >= MIN_SECRET_BYTES)
    .toSorted((a, b) => b.length - a.length);
  let held: Buffer = Buffer.alloc(0);
  return {
    write(data: Uint8Array): void {
      if (secrets.length === 0) {
        emit(data);
        return;
      }
      const masked = mask(Buffer.concat([held, data]), secrets);
      const keep = heldBack(masked, secrets);
      held = Buffer.from(masked.subarray(masked.length - keep));
      if (masked.length > keep) emit(masked.subarray(0, masked.length - keep));
    },
    end(): void {
      if (held.length > 0) emit(held);
      held = Buffer.alloc(0);
    },
  };
}

function mask(text: Buffer, secrets: readonly Buffer[]): Buffer {
  let out = text;
  for (const secret of secrets) {
    const parts: Buffer[] = [];
    let from = 0;
    for (let at = out.indexOf(secret); at !== -1; at = out.indexOf(secret, from)) {
      parts.push(out.subarray(from, at), MASK);
      from = at + secret.length;
    }
    if (from > 0) out = Buffer.concat([...parts, out.subarray(from)]);
  }
  return out;
}

/** Bytes at the end of `text` that are the beginning of a secret. */
function heldBack(text: Buffer, secrets: readonly Buffer[]): number {
  let longest = 0;
  for (const secret of secrets) {
    for (let length = Math.min(secret.length - 1, text.length); length > longest; length--) {
      if (text.subarray(text.length - length).equals(secret.subarray(0, length))) longest = length;
    }
  }
  return longest;
}
