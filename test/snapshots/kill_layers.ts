/** Layers whose blobs lie in another store's content directory. */
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import type { BlobProvider, Descriptor, Digest } from '../../src/content/contract.ts';
import type { RemoteLayer } from '../../src/snapshots/contract.ts';

export function layersFrom(blobs: string, json: string): RemoteLayer[] {
  const provider: BlobProvider = {
    read: ({ digest }) => createReadStream(join(blobs, digest.slice(7))) as AsyncIterable<Uint8Array>,
  };
  return (JSON.parse(json) as { descriptor: Descriptor; diffID: Digest }[]).map((layer) => ({
    ...layer,
    provider,
  }));
}
