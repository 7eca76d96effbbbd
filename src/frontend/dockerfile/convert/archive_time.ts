/** The time of an archive: that of its newest file (BuildKit v0.32.2, dockerfile2llb/epoch.go). */
import { decompress } from '../../../content/compression/decompress.ts';
import { decompressor, throughProgram } from '../../../content/compression/programs.ts';
import { TarReader } from '../../../snapshots/tar/reader.ts';

/** Seconds since 1970, rounded down; undefined: no archive, a damaged one, or one without files. */
export async function newestFileTime(bytes: Uint8Array): Promise<bigint | undefined> {
  let newest: number | undefined;
  const reader = new TarReader({
    entry: ({ type, mtime }) => {
      // Further names of files count as files.
      if (type !== 'file' && type !== 'link') return;
      if (newest === undefined || mtime > newest) newest = mtime;
    },
    data: () => {},
    close: () => {},
  });
  const program = decompressor(bytes);
  try {
    const chunks = program === undefined ? decompress(oneChunk(bytes)) : throughProgram(program, bytes);
    for await (const chunk of chunks) reader.write(chunk);
    reader.end();
  } catch {
    return undefined;
  }
  return newest === undefined ? undefined : BigInt(newest);
}

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
