import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { CairnError } from '../errors/error.ts';
import { createJobPool } from './job_pool.ts';

const entry = new URL('./test_worker.ts', import.meta.url);
const pool = createJobPool(entry, { cpuThreads: 2 });
after(() => pool.close());

test('run returns the results of more jobs than there are threads', async () => {
  const results = await Promise.all(Array.from({ length: 10 }, (_, n) => pool.run('double', n)));
  assert.deepEqual(
    results,
    Array.from({ length: 10 }, (_, n) => n * 2),
  );
});

test('run returns the results of many jobs at once on the exec lane', async () => {
  const results = await Promise.all(
    Array.from({ length: 20 }, (_, n) => pool.run('later', n, { lane: 'exec' })),
  );
  assert.deepEqual(
    results,
    Array.from({ length: 20 }, (_, n) => n),
  );
});

test('run rejects with the CairnError of the job when it throws one', async () => {
  await assert.rejects(pool.run('fail', null), (error: unknown) => {
    assert(error instanceof CairnError);
    assert.equal(error.code, 'NOT_FOUND');
    assert.equal(error.message, 'no such layer');
    assert.equal(error.hint, 'Pull it.');
    assert.equal((error as CairnError & { exitCode?: number }).exitCode, 7);
    return true;
  });
});

test('run rejects with the fields of a system error when the job throws one', async () => {
  await assert.rejects(pool.run('failPlain', null), { code: 'ERR_WORKER_UNSUPPORTED_OPERATION' });
});

test('run rejects when no job has the name', async () => {
  await assert.rejects(pool.run('nothing', null), /no job is called nothing/);
});

test('run stops a synchronous job when the signal fires', async () => {
  const controller = new AbortController();
  const result = pool.run('spin', null, { signal: controller.signal, onMessage: () => controller.abort() });
  await assert.rejects(result, { code: 'CANCELED' });
});

test('run stops an asynchronous job when the signal fires', async () => {
  const controller = new AbortController();
  const result = pool.run('wait', null, {
    lane: 'exec',
    signal: controller.signal,
    onMessage: () => controller.abort(),
  });
  await assert.rejects(result, { code: 'CANCELED' });
});

test('run rejects a job that still waits for a thread when its signal fires', async () => {
  const single = createJobPool(entry, { cpuThreads: 1 });
  const stop = new AbortController();
  const first = single.run('spin', null, { signal: stop.signal });
  const controller = new AbortController();
  const second = single.run('double', 1, { signal: controller.signal });
  controller.abort();
  await assert.rejects(second, { code: 'CANCELED' });
  stop.abort();
  await assert.rejects(first, { code: 'CANCELED' });
  await single.close();
});

test('run rejects and the pool goes on when a thread dies', async () => {
  await assert.rejects(pool.run('exit', null), /worker thread ended with code 3/);
  assert.equal(await pool.run('double', 21), 42);
});

test('messages pass both ways while a job runs', async () => {
  const seen: unknown[] = [];
  const result = await pool.run('echo', null, {
    onMessage(message, reply) {
      seen.push(message);
      if (message === 'ready') reply({ a: 1 });
      else reply('end');
    },
  });
  assert.equal(result, 'ended');
  assert.deepEqual(seen, ['ready', { a: 1 }]);
});

test('close ends a thread that has just been started, and waits for it', async () => {
  const short = createJobPool(entry, { cpuThreads: 1 });
  const result = short.run('wait', null);
  const rejected = assert.rejects(result, /a worker thread ended/);
  await short.close();
  await rejected;
});
