import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTransport } from './transport.ts';

test('send leaves no timer behind when the answer comes before the body stream has ended', async () => {
  const server = createServer((request, response) => {
    request.on('data', () => response.end());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const transport = createTransport();
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = timers();
  let ended: (() => void) | undefined;
  const answered = new Promise<void>((done) => (ended = done));
  const response = await transport.send({
    method: 'PUT',
    url: new URL(`http://127.0.0.1:${address.port}/`),
    headers: {},
    body: {
      size: 4,
      async *stream() {
        yield Buffer.from('body');
        await answered;
      },
    },
    timeouts: { connect: 1000, idle: 60_000, overall: 60_000 },
  });
  response.discard();
  ended?.();
  await sleep(1);
  transport.close();
  server.closeAllConnections();
  await once(server.close(), 'close');
  assert.equal(response.status, 200);
  assert.equal(timers(), before);
});
