import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CairnError } from '../errors/error.ts';
import { Once } from './once.ts';

test('run does equal work once at a time', async () => {
  const once = new Once<number>();
  let runs = 0;
  const work = async (): Promise<number> => {
    await new Promise((resolve) => setImmediate(resolve));
    return ++runs;
  };
  const results = await Promise.all([once.run('a', undefined, work), once.run('a', undefined, work)]);
  assert.deepEqual(results, [1, 1]);
  assert.equal(await once.run('a', undefined, work), 2);
});

test('run begins anew when the first caller was canceled and the second was not', async () => {
  const once = new Once<string>();
  const first = once.run('a', undefined, async () => {
    await new Promise((resolve) => setImmediate(resolve));
    throw new CairnError('canceled', { code: 'CANCELED' });
  });
  const second = once.run('a', new AbortController().signal, () => Promise.resolve('done'));
  await assert.rejects(first, { code: 'CANCELED' });
  assert.equal(await second, 'done');
});

test('run gives every waiter the error of the work', async () => {
  const once = new Once<string>();
  const work = async (): Promise<string> => {
    await new Promise((resolve) => setImmediate(resolve));
    throw new Error('broken');
  };
  const both = [once.run('a', undefined, work), once.run('a', undefined, work)];
  for (const result of await Promise.allSettled(both)) assert.equal(result.status, 'rejected');
});
