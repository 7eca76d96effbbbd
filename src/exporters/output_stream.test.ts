import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { OutputStream } from './output_stream.ts';

test('OutputStream waits for a slow reader and hands everything over', async () => {
  let received = 0;
  let most = 0;
  const slow = new Writable({
    highWaterMark: 1000,
    write(chunk: Buffer, _encoding, done) {
      most = Math.max(most, this.writableLength);
      setImmediate(() => {
        received += chunk.length;
        done();
      });
    },
  });
  const output = new OutputStream(slow);
  for (let i = 0; i < 50; i++) await output.write(Buffer.alloc(500));
  await output.end();
  assert.equal(received, 25_000);
  assert.ok(most <= 1000);
});

test('OutputStream passes on the error of its stream', async () => {
  const full = new Writable({
    highWaterMark: 1,
    write(_chunk, _encoding, done) {
      done(Object.assign(new Error('no space left on device'), { code: 'ENOSPC' }));
    },
  });
  const output = new OutputStream(full);
  await assert.rejects(async () => {
    await output.write(Buffer.alloc(10));
    await output.end();
  }, /no space left/);
});

test('OutputStream leaves it to a reader that has gone away to say why', async () => {
  const child = spawn('false', { stdio: ['pipe', 'ignore', 'ignore'] });
  child.stdin.on('error', () => {});
  const output = new OutputStream(child.stdin);
  const [code] = (await once(child, 'exit')) as [number];
  for (let i = 0; i < 100; i++) await output.write(Buffer.alloc(100_000));
  await output.end();
  assert.equal(code, 1);
});
