import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { DamagedBlobError } from '../content/damaged_blob.ts';
import {
  ANNOTATION_UNCOMPRESSED,
  type BlobProvider,
  type Descriptor,
  type Digest,
} from '../content/contract.ts';
import { createContentStore } from '../content/store.ts';
import { openStore } from '../store/open.ts';
import { rewriteLayers } from './rewrite.ts';

function layer(bytes: Uint8Array, size: number): Descriptor {
  const digest: Digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  const annotations = { [ANNOTATION_UNCOMPRESSED]: digest };
  return { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size, annotations };
}

test('rewriteLayers reads nothing any more when it has failed', async () => {
  const root = mkdtempSync(join(tmpdir(), 'cairn-rewrite-test-'));
  const store = openStore(root, []);
  const noTar = new Uint8Array(5000).fill(7);
  const [bad, endless] = [layer(noTar, noTar.length), layer(Buffer.from('endless'), 1e12)];
  let reading = false;
  const provider: BlobProvider = {
    async *read(blob, { signal } = {}) {
      if (blob.digest !== bad.digest) {
        reading = true;
        try {
          for (; signal?.aborted !== true; await sleep(5)) yield new Uint8Array(512);
        } finally {
          await sleep(20);
          reading = false;
        }
        throw new Error('aborted');
      }
      while (!reading) await sleep(1);
      yield noTar;
    },
  };
  try {
    const stop = new AbortController();
    const progress = { status() {}, log() {}, warning() {} };
    const rewriting = rewriteLayers(
      createContentStore(store),
      { descriptors: [bad, endless], provider },
      { epoch: 1, ref: { layers: [] } as never, compression: { type: 'uncompressed' } },
      { signal: stop.signal, progress: progress as never },
    );
    await assert.rejects(rewriting, DamagedBlobError);
    assert.equal(reading, false);
    stop.abort();
  } finally {
    store.close();
    rmSync(root, { recursive: true, force: true });
  }
});
