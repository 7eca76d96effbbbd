import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Gate } from './gate.ts';

test('Gate admits in order, and passes over those who gave up', async () => {
  const gate = new Gate(1);
  const leave = await gate.enter();
  const order: string[] = [];
  const controller = new AbortController();
  const gone = gate.enter(controller.signal);
  const first = gate.enter().then((release) => {
    order.push('first');
    release();
    release();
  });
  const second = gate.enter().then((release) => {
    order.push('second');
    release();
  });
  controller.abort();
  await assert.rejects(gone, { code: 'CANCELED' });
  leave();
  await Promise.all([first, second]);
  assert.deepEqual(order, ['first', 'second']);
  (await gate.enter())();
});
