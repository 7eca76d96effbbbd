import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Throttle } from './throttle.ts';

/** A clock that goes on while somebody sleeps. */
function fakeClock() {
  return {
    time: 1_000_000,
    now() {
      return this.time;
    },
    async sleep(milliseconds: number, signal?: AbortSignal) {
      await Promise.resolve();
      signal?.throwIfAborted();
      this.time += milliseconds;
    },
  };
}

function setup(options: { budget?: number; uploads?: number }) {
  const clock = fakeClock();
  const throttle = new Throttle({ budget: 600_000, uploads: 200, window: 60_000, ...options, clock });
  const waited = async (work: () => Promise<void>): Promise<number> => {
    const before = clock.time;
    await work();
    return clock.time - before;
  };
  return { clock, throttle, waited };
}

test('upload waits until the window has room again', async () => {
  const { clock, throttle, waited } = setup({ uploads: 2 });
  const waits: number[] = [];
  for (let count = 0; count < 5; count++) {
    clock.time += 10;
    waits.push(await waited(() => throttle.upload(undefined)));
  }
  assert.deepEqual(waits, [0, 0, 59_980, 0, 59_980]);
});

test('slow holds all requests back for what the service asks', async () => {
  const { throttle, waited } = setup({});
  throttle.slow(3000);
  throttle.slow(2000);
  assert.equal(await waited(() => throttle.ready(undefined)), 3000);
  assert.equal(await waited(() => throttle.ready(undefined)), 0);
});

test('slow doubles its pauses where the service says nothing, until a request is taken', async () => {
  const { throttle, waited } = setup({});
  const waits: number[] = [];
  for (let count = 0; count < 9; count++) {
    // Others who were refused at the same time mean the same pause.
    for (let request = 0; request < 3; request++) throttle.slow(count % 2 === 0 ? undefined : 0);
    waits.push(await waited(() => throttle.ready(undefined)));
  }
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 90_000, 90_000]);
  throttle.taken();
  throttle.slow(undefined);
  assert.equal(await waited(() => throttle.ready(undefined)), 1000);
});

test('slow refuses a pause that is more than all pauses may last', async () => {
  const { throttle, waited } = setup({ budget: 10_000 });
  throttle.slow(6000);
  await waited(() => throttle.ready(undefined));
  assert.throws(() => throttle.slow(5000), {
    code: 'UNAVAILABLE',
    message: /a pause of 5 s, more than timeout= allows/,
    hint: /raise timeout=/,
  });
});

test('ready ends when its caller gives up', async () => {
  const { throttle } = setup({});
  throttle.slow(1000);
  const reason = new Error('given up');
  await assert.rejects(throttle.ready(AbortSignal.abort(reason)), reason);
});
