import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { streamJob } from './byte_stream.ts';
import { createJobPool } from './job_pool.ts';
import { STREAM_CHUNK_BYTES } from './test_worker.ts';

const CHUNKS = 64;
const pool = createJobPool(new URL('./test_worker.ts', import.meta.url));
after(() => pool.close());

test('streamJob brings every byte in order', async () => {
  const sent = new SharedArrayBuffer(4);
  const seen: (number | undefined)[] = [];
  for await (const chunk of streamJob(pool, 'stream', { chunks: CHUNKS, sent }).bytes) {
    assert.equal(chunk.length, STREAM_CHUNK_BYTES);
    seen.push(chunk[0]);
  }
  assert.deepEqual(
    seen,
    Array.from({ length: CHUNKS }, (_, i) => i),
  );
});

test('a job that streams waits for its reader', async () => {
  const sent = new SharedArrayBuffer(4);
  const counter = new Int32Array(sent);
  const { bytes } = streamJob(pool, 'stream', { chunks: CHUNKS, sent });
  const reader = bytes[Symbol.asyncIterator]();
  await reader.next();
  while (Atomics.load(counter, 0) < 3) await delay(1);
  await delay(50);
  assert.ok(Atomics.load(counter, 0) < CHUNKS / 8);
  await reader.return?.();
});
