/** Proxies from the environment: plain requests and tunnels. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createRegistryClient } from '../../src/registry/client.ts';
import { parseReference } from '../../src/registry/reference.ts';
import { selfSigned } from '../servers/certificate.ts';
import { startDockerRegistry } from '../servers/docker_registry.ts';

test('registries are reached through the proxies that the environment names', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'cairn-proxy-'));
  const { key, certificate } = selfSigned(dir);
  const plain = await startDockerRegistry();
  const secure = await startDockerRegistry({ tls: { certificate, key } });
  const seen: string[] = [];
  const proxy = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    const path = new URL(request.url ?? '').pathname;
    const upstream = httpRequest(
      { host: '127.0.0.1', port: plain.port, path, method: request.method, headers: request.headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    request.pipe(upstream);
  });
  proxy.on('connect', (request, socket) => {
    seen.push(`CONNECT ${request.url}`);
    const upstream = connect(secure.port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on('error', () => socket.destroy());
    socket.on('error', () => upstream.destroy());
  });
  await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done));
  const { port } = proxy.address() as { port: number };
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'];
  const old = names.map((name) => process.env[name]);
  process.env['HTTP_PROXY'] = `127.0.0.1:${port}`;
  process.env['HTTPS_PROXY'] = `http://127.0.0.1:${port}`;
  process.env['NO_PROXY'] = '';
  const base = { mirrors: [], ca: [], keyPairs: [] };
  const client = createRegistryClient({
    credentials: { credentials: async () => undefined },
    hosts: new Map([
      ['plain.example.com:5000', { ...base, http: true }],
      ['secure.example.com', { ...base, insecure: true, http: false }],
    ]),
  });
  try {
    const resolve = (name: string) => client.repository(parseReference(name)).resolve('1');
    assert.equal(await resolve('plain.example.com:5000/app'), undefined);
    assert.equal(await resolve('secure.example.com/app'), undefined);
    assert.equal(await resolve(`${plain.host}/app`), undefined);
    assert.deepEqual(seen, [
      'HEAD http://plain.example.com:5000/v2/app/manifests/1',
      'CONNECT secure.example.com:443',
    ]);
  } finally {
    for (const [index, name] of names.entries()) {
      const value = old[index];
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    client.close();
    proxy.closeAllConnections();
    proxy.close();
    await plain.stop();
    await secure.stop();
    rmSync(dir, { recursive: true, force: true });
  }
});
