/**
 * The stream cut anew into blocks of exactly `size` bytes; the last may be shorter, none is empty. Where the
 * blocks lie does not depend on how the input was cut, so what is made of them is deterministic.
 */
export async function* blocksOf(
  input: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let pieces: Uint8Array[] = [];
  let gathered = 0;
  for await (let chunk of input) {
    while (gathered + chunk.length >= size) {
      const rest = size - gathered;
      if (gathered === 0) yield chunk.subarray(0, rest);
      else yield Buffer.concat([...pieces, chunk.subarray(0, rest)], size);
      pieces = [];
      gathered = 0;
      chunk = chunk.subarray(rest);
    }
    if (chunk.length > 0) {
      pieces.push(chunk);
      gathered += chunk.length;
    }
  }
  if (gathered > 0) yield pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces, gathered);
}
