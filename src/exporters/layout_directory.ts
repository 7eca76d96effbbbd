import {
  createWriteStream,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { mkdir, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { BlobProvider, Descriptor } from '../content/contract.ts';
import { verified } from '../content/verify.ts';
import { removeAbandoned, temporaryName } from '../platform/temporary_name.ts';
import { blobPath } from './archive.ts';
import { addToIndex, LAYOUT_FILE, LAYOUT_TEXT } from './layout_index.ts';

/**
 * Adds an image to an OCI layout directory: the blobs it lacks, then its entries in index.json. Each file is
 * written beside its place and renamed.
 */
export async function writeLayoutDirectory(
  directory: string,
  image: { root: Descriptor; blobs: readonly Descriptor[]; provider: BlobProvider; names: readonly string[] },
  signal: AbortSignal,
): Promise<void> {
  removeAbandoned(directory);
  const temp = join(directory, temporaryName());
  try {
    for (const blob of image.blobs) {
      const path = join(directory, blobPath(blob));
      if (statSync(path, { throwIfNoEntry: false })?.size === blob.size) continue;
      await mkdir(dirname(path), { recursive: true });
      await pipeline(verified(image.provider.read(blob, { signal }), blob), createWriteStream(temp), {
        signal,
      });
      await flush(temp);
      await rename(temp, path);
    }
    replaceFile(temp, join(directory, LAYOUT_FILE), LAYOUT_TEXT);
    const index = join(directory, 'index.json');
    // Read and written without a pause: other entries that appear meanwhile would be lost.
    const existing = existsSync(index) ? readFileSync(index, 'utf8') : undefined;
    replaceFile(temp, index, addToIndex(existing, image.root, image.names));
  } finally {
    rmSync(temp, { force: true });
  }
}

async function flush(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

function replaceFile(temp: string, path: string, text: string): void {
  writeFileSync(temp, text);
  renameSync(temp, path);
}
