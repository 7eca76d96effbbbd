import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BlobProvider } from '../content/contract.ts';
import { digestOf } from '../content/digest.ts';
import { cacheReadErrorOf, guardedProvider } from './guarded.ts';

const PARTS = [Buffer.from('first '), Buffer.from('second')];
const bytes = Buffer.concat(PARTS);
const blob = { mediaType: '', digest: digestOf(bytes), size: bytes.length };
const PATIENCE_MS = 50;

test('guardedProvider names blob and cache when the next bytes do not come', async () => {
  const provider: BlobProvider = {
    async *read(_, options) {
      yield* PARTS.slice(0, 1);
      await sleep(60_000, undefined, options?.signal === undefined ? {} : { signal: options.signal });
    },
  };
  await assert.rejects(
    async () => {
      for await (const _ of guardedProvider(provider, 'c', PATIENCE_MS).read(blob)) void _;
    },
    (error) => {
      const read = cacheReadErrorOf(error);
      assert.deepEqual([read?.code, read?.cache, read?.digest], ['TIMEOUT', 'c', blob.digest]);
      return true;
    },
  );
});

test('guardedProvider waits for a reader that takes its time', async () => {
  const provider: BlobProvider = {
    async *read(_, options) {
      for (const part of PARTS) {
        options?.signal?.throwIfAborted();
        yield await Promise.resolve(part);
      }
    },
  };
  const read: Uint8Array[] = [];
  for await (const chunk of guardedProvider(provider, 'c', PATIENCE_MS).read(blob)) {
    read.push(chunk);
    await sleep(3 * PATIENCE_MS);
  }
  assert.deepEqual(Buffer.concat(read), bytes);
});

test('guardedProvider names blob and cache when the bytes are others', async () => {
  const provider: BlobProvider = {
    async *read() {
      yield await Promise.resolve(Buffer.from('other bytes!'));
    },
  };
  await assert.rejects(
    async () => {
      for await (const _ of guardedProvider(provider, 'c', PATIENCE_MS).read(blob)) void _;
    },
    (error) => cacheReadErrorOf(error)?.code === 'CORRUPT',
  );
});
