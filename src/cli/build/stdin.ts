/** Standard input as a Dockerfile or as an archive of the context. */
import { CairnError } from '../../errors/error.ts';

/** process.stdin, but made at its first use: its streams take as long to load as half of the HTTP client. */
export const standardInput: AsyncIterable<Buffer> = {
  [Symbol.asyncIterator]: () => (process.stdin as AsyncIterable<Buffer>)[Symbol.asyncIterator](),
};

/** A Dockerfile is held in memory; an archive, which is not, may have any size. */
const MAX_DOCKERFILE_BYTES = 16 * 1024 ** 2;

/** The first `size` bytes, fewer at the end, and then everything from the beginning. */
export async function peek(
  bytes: AsyncIterable<Uint8Array>,
  size: number,
): Promise<{ head: Uint8Array; all: AsyncIterable<Uint8Array> }> {
  const iterator = bytes[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length < size) {
    const next = await iterator.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  return { head: head.subarray(0, size), all: joined(head, iterator) };
}

async function* joined(
  head: Uint8Array,
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (head.length > 0) yield head;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
}

/** @throws CairnError USAGE when there is more than a Dockerfile can be */
export async function readDockerfile(bytes: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bytes) {
    size += chunk.length;
    if (size > MAX_DOCKERFILE_BYTES) {
      throw new CairnError(`the Dockerfile is larger than ${MAX_DOCKERFILE_BYTES} bytes`, {
        code: 'USAGE',
        hint: 'to send a context, send a tar that is uncompressed or packed with gzip, bzip2 or xz',
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
