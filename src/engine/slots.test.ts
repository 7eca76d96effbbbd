import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSlots } from './slots.ts';

test('createSlots lets no more in than there are places, in the order of asking', async () => {
  const slot = createSlots(1);
  const { signal } = new AbortController();
  const order: string[] = [];
  const first = await slot(signal);
  const second = slot(signal).then((release) => (order.push('second'), release));
  const third = slot(signal).then((release) => (order.push('third'), release));
  await Promise.resolve();
  assert.deepEqual(order, []);
  first();
  first();
  (await second)();
  await third;
  assert.deepEqual(order, ['second', 'third']);
});

test('createSlots forgets a caller that gave up', async () => {
  const slot = createSlots(1);
  const abort = new AbortController();
  const release = await slot(new AbortController().signal);
  const waiting = slot(abort.signal);
  abort.abort();
  await assert.rejects(waiting, /canceled/);
  release();
  await slot(new AbortController().signal);
});
