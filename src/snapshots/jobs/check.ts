/** A job that looks whether a blob is the layer that it is said to be. */
import { createReadStream } from 'node:fs';
import { decompress } from '../../content/compression/decompress.ts';
import type { Digest } from '../../content/contract.ts';
import { verified } from '../../content/verify.ts';
import type { JobContext } from '../../platform/contract.ts';
import { cleanName } from '../apply/root_path.ts';
import { TarReader } from '../tar/reader.ts';

/** Bytes read from a blob at a time. */
const READ_BYTES = 1 << 20;

export interface CheckArgs {
  /** File of a blob of any compression. */
  blob: string;
  /** Of the uncompressed bytes. */
  diffID: Digest;
}

/**
 * Reads a blob as unpacking it would, and writes nothing.
 * @throws CairnError CORRUPT where it has another diffID, is no tar, or names files outside of its root
 */
export async function check({ blob, diffID }: CheckArgs, context: JobContext): Promise<void> {
  const reader = new TarReader({
    entry({ type, name, linkname }) {
      cleanName(name, name);
      if (type === 'link') cleanName(linkname, name);
    },
    data() {},
    close() {},
  });
  const file = createReadStream(blob, { highWaterMark: READ_BYTES, signal: context.signal });
  for await (const chunk of verified(decompress(file), { digest: diffID })) reader.write(chunk);
  reader.end();
}
