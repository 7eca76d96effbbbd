import type { Gunzip, ZstdDecompress } from 'node:zlib';
import { CairnError } from '../../errors/error.ts';

/** Bytes that a decoder hands out at once. */
export const OUTPUT_CHUNK_BYTES = 256 * 1024;

/** Runs a stream through a decoder of node:zlib, with its back-pressure. */
export async function* through(
  decoder: Gunzip | ZstdDecompress,
  input: AsyncIterable<Uint8Array>,
  kind: 'gzip' | 'zstd',
): AsyncGenerator<Uint8Array, void, undefined> {
  let inputError: unknown;
  // A destroyed decoder may leave the write that it was at without an answer.
  const closed = new Promise<void>((resolve) => decoder.once('close', resolve));
  const feeding = (async () => {
    try {
      for await (const chunk of input) {
        if (decoder.destroyed) return;
        const written = new Promise<void>((resolve) => decoder.write(chunk, () => resolve()));
        await Promise.race([written, closed]);
      }
      decoder.end();
    } catch (error) {
      inputError = error;
      decoder.destroy();
    }
  })();
  try {
    for await (const chunk of decoder) {
      if (chunk instanceof Uint8Array) yield chunk;
    }
  } catch (error) {
    // What broke first is the story: a decoder that was destroyed for its input's sake says only "premature close".
    if (inputError !== undefined) throw inputError;
    throw damaged(kind, error);
  } finally {
    decoder.destroy();
    await feeding;
  }
  if (inputError !== undefined) throw inputError;
}

export function damaged(kind: 'gzip' | 'zstd', cause: unknown): CairnError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new CairnError(`${kind} stream is damaged: ${why}`, { code: 'CORRUPT', cause });
}
