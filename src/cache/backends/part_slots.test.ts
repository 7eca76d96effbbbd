import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { PartSlots, sendParts } from './part_slots.ts';

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) {
    await turn();
    yield Buffer.from(text);
  }
}

const { signal } = new AbortController();

test('sendParts cuts at part size whatever the chunks are', async () => {
  const options = { partSize: 4, slots: new PartSlots(2), signal };
  const send = (part: Uint8Array, index: number) =>
    Promise.resolve(`${index}:${Buffer.from(part).toString()}`);
  assert.deepEqual(await sendParts(chunks('a', 'bcdefghij', 'k'), 11, { ...options, send }), [
    '0:abcd',
    '1:efgh',
    '2:ijk',
  ]);
  assert.deepEqual(await sendParts(chunks('abcd', 'efgh'), 8, { ...options, send }), ['0:abcd', '1:efgh']);
  assert.deepEqual(await sendParts(chunks(), 0, { ...options, send }), []);
});

test('sendParts of several blobs together keeps within the slots', async () => {
  const slots = new PartSlots(3);
  let now = 0;
  let most = 0;
  const send = async (): Promise<void> => {
    most = Math.max(most, ++now);
    for (let i = 0; i < 5; i++) await turn();
    now -= 1;
  };
  const blobs = Array.from({ length: 5 }, () =>
    sendParts(chunks('abcdef', 'ghij'), 10, { partSize: 2, slots, signal, send }),
  );
  assert.deepEqual(
    (await Promise.all(blobs)).map((parts) => parts.length),
    [5, 5, 5, 5, 5],
  );
  assert.equal(most, 3);
});

test('sendParts stops reading and frees its slots when a part fails', async () => {
  const slots = new PartSlots(1);
  let read = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) {
      read += 1;
      await turn();
      yield Buffer.from('abcd');
    }
  }
  const send = (): Promise<never> => Promise.reject(new Error('refused'));
  await assert.rejects(sendParts(endless(), 1e9, { partSize: 4, slots, signal, send }), /refused/);
  assert.ok(read < 10);
  const after = await sendParts(chunks('ab'), 2, {
    partSize: 4,
    slots,
    signal,
    send: () => Promise.resolve(1),
  });
  assert.deepEqual(after, [1]);
});

test('sendParts sends nothing for good when reading fails, and frees its slots', async () => {
  const slots = new PartSlots(2);
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('abcde');
    await turn();
    throw new Error('reset');
  }
  const send = () => Promise.resolve(0);
  for (let i = 0; i < 3; i++) {
    await assert.rejects(sendParts(broken(), 9, { partSize: 4, slots, signal, send }), /reset/);
  }
});
