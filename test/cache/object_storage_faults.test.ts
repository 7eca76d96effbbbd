/** What services of object storage do wrong, through a proxy that does it. */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { CacheBackend } from '../../src/cache/backends/contract.ts';
import type { BlobProvider, Descriptor } from '../../src/content/contract.ts';
import { collect, verified } from '../../src/content/verify.ts';
import { CairnError } from '../../src/errors/error.ts';
import { selfSigned } from '../servers/certificate.ts';
import { startFaultProxy, type Fault, type FaultProxy, type ProxyRequest } from '../servers/fault_proxy.ts';
import { cacheOf, layer, opener } from './contract.ts';
import { AZURITE, S3RVER, type ObjectStorage, type ObjectStorageService } from './object_storage.ts';

interface Service extends ObjectStorageService {
  /** As the service asks to slow down. */
  busy: Fault;
  /** Bytes above which a blob is sent in parts. */
  single: number;
  isPart: (request: ProxyRequest) => boolean;
}

const SERVICES: Service[] = [
  {
    ...S3RVER,
    busy: {
      kind: 'answer',
      status: 503,
      headers: { 'retry-after': '1' },
      body: '<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>',
    },
    single: 16 * 1024 * 1024,
    isPart: ({ url }) => url.includes('partNumber='),
  },
  {
    ...AZURITE,
    busy: {
      kind: 'answer',
      status: 503,
      headers: { 'retry-after': '1', 'x-ms-error-code': 'ServerBusy' },
      body: '',
    },
    single: 32 * 1024 * 1024,
    isPart: ({ url }) => /comp=block(&|$)/.test(url),
  },
];

for (const { type, skip, start, busy, single, isPart } of SERVICES) {
  describe(`faults of ${type}`, { skip }, () => {
    let server: ObjectStorage;
    let proxy: FaultProxy;
    let backend: CacheBackend;
    const opened = opener();
    const signal = AbortSignal.timeout(120_000);
    const content = randomBytes(300_000);
    const { descriptor, provider } = layer(content);
    const cache = cacheOf('faults', [content]);

    before(async () => {
      server = await start();
      proxy = await startFaultProxy(server.host);
      const attrs = { ...server.attrs(proxy.host), name: 'there' };
      backend = (await opened.open(type, 'to', attrs)).backend;
      await backend.has([descriptor], signal);
      await backend.write(descriptor, provider, { signal });
      await backend.publish(cache, 'there', { signal });
    });
    after(async () => {
      opened.close();
      await proxy.stop();
      await server.stop();
    });
    beforeEach(() => {
      proxy.fault = undefined;
      proxy.requests.length = 0;
    });

    const readBack = (blob: Descriptor = descriptor): Promise<Buffer> =>
      collect(verified(backend.read(blob, { signal }), blob), 1 << 28);
    /** The fault happens to the first requests of these only. */
    const first = (count: number, method: string, fault: Fault): void => {
      let left = count;
      proxy.fault = (request) => (request.method === method && left-- > 0 ? fault : undefined);
    };
    const always = (fault: Fault): void => {
      proxy.fault = () => fault;
    };
    const forbidden: Fault = {
      kind: 'answer',
      status: 403,
      body: '<Error><Code>AccessDenied</Code></Error>',
    };

    test('a manifest that may not be read is named in the error', async () => {
      always(forbidden);
      await assert.rejects(backend.resolve('there', signal), { code: 'DENIED', message: /manifests\/there/ });
      assert.equal(proxy.requests.length, 1);
    });

    test('a service that asks for a pause of an hour has refused', async () => {
      always({ kind: 'answer', status: 503, headers: { 'retry-after': '3600' }, body: 'come back later' });
      await assert.rejects(backend.resolve('there', signal), {
        code: 'UNAVAILABLE',
        message: /manifests\/there: HTTP 503$/,
      });
      assert.equal(proxy.requests.length, 1);
    });

    test('a pause that a service asks for ends with the build', async () => {
      always({ kind: 'answer', status: 503, headers: { 'retry-after': '60' } });
      const stop = new AbortController();
      const reading = backend.resolve('there', stop.signal);
      setTimeout(() => stop.abort(new Error('the build is over')), 100);
      await assert.rejects(reading);
      assert.equal(proxy.requests.length, 1);
    });

    test('a layer that is gone is named in the error', async () => {
      const gone = layer(randomBytes(10)).descriptor;
      await assert.rejects(readBack(gone), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'NOT_FOUND');
        return error.message.includes(gone.digest);
      });
    });

    test('a service that asks to slow down is asked again later', async () => {
      first(2, 'GET', busy);
      const found = await backend.resolve('there', signal);
      assert.deepEqual([...(found?.blobs.keys() ?? [])], [descriptor.digest]);
      assert.equal(proxy.requests.length, 3);
    });

    test('a service that fails for good is given up', async () => {
      always({ kind: 'answer', status: 500, body: '' });
      await assert.rejects(backend.resolve('there', signal), { code: 'UNAVAILABLE' });
      assert.equal(proxy.requests.length, 5);
    });

    test('a connection that is cut before the answer is tried again', async () => {
      first(2, 'GET', { kind: 'refuse' });
      assert.deepEqual(await readBack(), content);
    });

    for (const kind of ['reset', 'truncate'] as const) {
      test(`a layer goes on where its connection ended: ${kind}`, async () => {
        first(1, 'GET', { kind, after: 100_000 });
        assert.deepEqual(await readBack(), content);
        const [, again] = proxy.requests;
        const range = again?.headers['x-ms-range'] ?? again?.headers.range;
        assert.match(String(range), /^bytes=\d+-299999$/);
        assert.notEqual(range, 'bytes=0-299999');
      });
    }

    test('a layer that always breaks off is given up', async () => {
      always({ kind: 'reset', after: 1000 });
      await assert.rejects(readBack(), { code: 'UNAVAILABLE' });
      assert.ok(proxy.requests.length <= 6, `${proxy.requests.length} requests`);
    });

    test('a manifest whose connection breaks is read again', async () => {
      first(1, 'GET', { kind: 'reset', after: 20 });
      assert.equal((await backend.resolve('there', signal))?.blobs.size, 1);
    });

    test('wrong bytes are noticed', async () => {
      always({ kind: 'corrupt' });
      await assert.rejects(readBack(), { code: 'CORRUPT' });
      await assert.rejects(backend.resolve('there', signal), { code: 'CORRUPT' });
    });

    test('a manifest that is no manifest is noticed', async () => {
      for (const body of ['{"layers":', '[]', 'null', '<html>log in</html>']) {
        always({
          kind: 'answer',
          status: 200,
          headers: { 'content-length': String(body.length), etag: '"1"' },
          body,
        });
        await assert.rejects(backend.resolve('there', signal), { code: 'CORRUPT' }, body);
      }
    });

    test('a service that never answers is left when time is up', async () => {
      always({ kind: 'hang' });
      const time = AbortSignal.timeout(300);
      await assert.rejects(backend.resolve('there', time));
      await assert.rejects(backend.has([descriptor], time));
      await assert.rejects(backend.publish(cache, 'there', { signal: time }));
    });

    test('an upload that may not be is an error at once', async () => {
      proxy.fault = ({ method }) => (method === 'PUT' ? forbidden : undefined);
      const other = layer(randomBytes(1000));
      await assert.rejects(backend.write(other.descriptor, other.provider, { signal }), { code: 'DENIED' });
      await assert.rejects(backend.publish(cacheOf('other', []), 'new', { signal }), { code: 'DENIED' });
      assert.equal(proxy.requests.filter(({ method }) => method === 'PUT').length, 2);
    });

    test('an upload goes on after a part that failed', async () => {
      const large = layer(randomBytes(single + 1000));
      let failures = 2;
      proxy.fault = (request) => (isPart(request) && failures-- > 0 ? busy : undefined);
      await backend.write(large.descriptor, large.provider, { signal });
      assert.equal((await readBack(large.descriptor)).length, single + 1000);
    });

    test('nothing is left of an upload whose last part fails for good', async () => {
      const large = layer(randomBytes(single + 1000));
      let parts = 0;
      proxy.fault = (request) => (isPart(request) && ++parts > 1 ? forbidden : undefined);
      await assert.rejects(backend.write(large.descriptor, large.provider, { signal }), { code: 'DENIED' });
      proxy.fault = undefined;
      assert.deepEqual([...(await backend.has([large.descriptor], signal))], []);
      const aborted = proxy.requests.some(({ method }) => method === 'DELETE');
      assert.equal(aborted, type === 's3');
    });

    test('nothing is left of an upload in parts whose bytes are wrong', async () => {
      const large = layer(randomBytes(single + 1000));
      const wrong = { ...large.descriptor, digest: layer(randomBytes(1)).descriptor.digest };
      const checked: BlobProvider = { read: (blob) => verified(large.provider.read(blob), blob) };
      await assert.rejects(backend.write(wrong, checked, { signal }), { code: 'CORRUPT' });
      assert.deepEqual([...(await backend.has([wrong], signal))], []);
    });

    test('who may not list is told of what is there by asking for each', async () => {
      const more = Array.from({ length: 5 }, () => layer(randomBytes(100)));
      for (const each of more.slice(1)) await backend.write(each.descriptor, each.provider, { signal });
      const isList = ({ url }: ProxyRequest): boolean => /list-type=2|comp=list/.test(url);
      proxy.fault = (request) => (isList(request) ? forbidden : undefined);
      const known = await backend.has(
        more.map((each) => each.descriptor),
        signal,
      );
      assert.deepEqual(
        [...known].toSorted(),
        more
          .slice(1)
          .map((each) => each.descriptor.digest)
          .toSorted(),
      );
    });

    test('an endpoint where nobody listens is named in the error', async () => {
      const attrs = { ...server.attrs('127.0.0.1:1'), name: randomUUID() };
      const { backend: nowhere } = await opened.open(type, 'from', attrs);
      await assert.rejects(nowhere.resolve('x', signal), {
        code: 'UNAVAILABLE',
        message: /127\.0\.0\.1:1: connect: connection refused$/,
      });
    });

    test('a certificate that is not trusted is told at once, with what to do', async () => {
      const directory = mkdtempSync(join(tmpdir(), 'cairn-tls-'));
      const { key, certificate } = selfSigned(directory, '127.0.0.1');
      let connections = 0;
      const secure = createServer({ key: readFileSync(key), cert: readFileSync(certificate) });
      secure.on('connection', () => connections++);
      await new Promise<void>((done) => secure.listen(0, '127.0.0.1', done));
      try {
        const host = `127.0.0.1:${(secure.address() as AddressInfo).port}`;
        const plain = server.attrs(host);
        const attrs = Object.fromEntries(
          Object.entries(plain).map(([name, value]) => [name, value.replace(/^http:/, 'https:')]),
        );
        const { backend: untrusted } = await opened.open(type, 'from', attrs);
        await assert.rejects(untrusted.resolve('x', signal), (error: unknown) => {
          assert.ok(error instanceof CairnError);
          assert.match(error.message, /: self-signed certificate$/);
          assert.match(error.hint ?? '', /NODE_EXTRA_CA_CERTS/);
          return true;
        });
        assert.equal(connections, 1);
      } finally {
        await new Promise((done) => secure.close(done));
        rmSync(directory, { recursive: true, force: true });
      }
    });
  });
}
