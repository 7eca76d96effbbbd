/** What is asked of S3: few requests, objects that stay fresh, conditions, and nothing that other services refuse. */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Bucket } from '../../src/cache/backends/s3/bucket.ts';
import { newS3Client } from '../../src/cache/backends/s3/client.ts';
import { startFaultProxy, type FaultProxy } from '../servers/fault_proxy.ts';
import { hasMoto, startMoto } from '../servers/moto.ts';
import type { S3Server } from '../servers/s3rver.ts';
import { cacheOf, layer, opener } from './contract.ts';

const signal = AbortSignal.timeout(120_000);
const MIB = 1024 * 1024;

describe('requests to s3', { skip: hasMoto ? false : 'moto is not installed' }, () => {
  let server: S3Server;
  let proxy: FaultProxy;
  let prefix: string;
  const opened = opener();
  before(async () => {
    server = await startMoto(['caches']);
    proxy = await startFaultProxy(server.host);
  });
  after(async () => {
    opened.close();
    await proxy.stop();
    await server.stop();
  });
  beforeEach(() => {
    prefix = `${randomUUID()}/`;
    proxy.fault = undefined;
    proxy.requests.length = 0;
  });

  const open = async (more: Record<string, string> = {}) => {
    const place = { bucket: 'caches', region: 'us-east-1', prefix, use_path_style: 'true' };
    const keys = { access_key_id: server.accessKeyId, secret_access_key: server.secretAccessKey };
    const attrs = { ...place, ...keys, endpoint_url: `http://${proxy.host}`, ...more };
    return (await opened.open('s3', 'to', attrs)).backend;
  };
  const methods = (): string[] => proxy.requests.map(({ method }) => method);

  test('an export that changes nothing makes two', async () => {
    const cache = cacheOf(
      'busybox',
      Array.from({ length: 13 }, () => randomBytes(100)),
    );
    const blobs = [...cache.blobs.values()].map(({ descriptor }) => descriptor);
    const backend = await open();
    await backend.has(blobs, signal);
    for (const { descriptor, provider } of cache.blobs.values())
      await backend.write(descriptor, provider, { signal });
    await backend.publish(cache, 'a', { signal });
    assert.equal(proxy.requests.length, 1 + 13 + 2);
    proxy.requests.length = 0;
    const again = await open();
    assert.equal((await again.has(blobs, signal)).size, 13);
    assert.equal((await again.publish(cache, 'a', { signal })).status, 'unchanged');
    assert.deepEqual(methods(), ['GET', 'HEAD']);
  });

  test('keys are those of BuildKit, and no header is one that other services refuse', async () => {
    const backend = await open();
    const cache = cacheOf('keys', [randomBytes(17 * MIB)]);
    for (const { descriptor, provider } of cache.blobs.values())
      await backend.write(descriptor, provider, { signal });
    await backend.publish(cache, 'main', { signal });
    const [blob = ''] = cache.blobs.keys();
    const key = `/caches/${prefix}blobs/sha256%3A${blob.slice(7)}`;
    assert.ok(proxy.requests.some(({ url }) => url.startsWith(`${key}?partNumber=3`)));
    assert.ok(proxy.requests.some(({ url }) => url.startsWith(`/caches/${prefix}manifests/main`)));
    for (const { headers } of proxy.requests) {
      const names = Object.keys(headers).join(' ');
      assert.doesNotMatch(names, /trailer|checksum|sdk-checksum|accept-encoding|content-encoding/);
      assert.doesNotMatch(headers.authorization ?? '', /accept-encoding/);
    }
  });

  test('objects older than touch_refresh are copied onto themselves, not sent', async () => {
    const { descriptor, provider } = layer(randomBytes(1000));
    const writer = await open();
    await writer.write(descriptor, provider, { signal });
    await writer.publish(cacheOf('old', []), 'a', { signal });
    await sleep(1100);
    proxy.requests.length = 0;
    const backend = await open({ touch_refresh: '1s' });
    assert.equal((await backend.has([descriptor], signal)).size, 0);
    await backend.write(descriptor, provider, { signal });
    const copy = proxy.requests.at(-1);
    assert.equal(copy?.headers['x-amz-metadata-directive'], 'REPLACE');
    assert.match(String(copy.headers['x-amz-meta-updated-at']), /^\d{4}-/);
    assert.equal(copy.headers['content-length'] ?? '0', '0');
    assert.equal((await (await open({ touch_refresh: '1s' })).has([descriptor], signal)).size, 1);
    assert.equal((await backend.publish(cacheOf('old', []), 'a', { signal })).status, 'written');
  });

  test('an object that expires before it is touched is sent', async () => {
    const { descriptor, provider } = layer(randomBytes(1000));
    const backend = await open({ touch_refresh: '0' });
    await backend.write(descriptor, provider, { signal });
    await sleep(1100);
    assert.equal((await backend.has([descriptor], signal)).size, 0);
    await fetch(`http://${server.host}/caches/${prefix}blobs/${descriptor.digest}`, { method: 'DELETE' });
    await backend.write(descriptor, provider, { signal });
    assert.equal((await (await open()).has([descriptor], signal)).size, 1);
  });

  test('an object too large for one copy is copied in parts', async () => {
    const settings = {
      bucket: 'caches',
      region: 'us-east-1',
      endpoint: `http://${proxy.host}`,
      pathStyle: true,
    };
    const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
    const rest = { credentials, retryMode: undefined, maxAttempts: undefined };
    const bucket = new Bucket(await newS3Client({ ...settings, ...rest }, {}), 'caches');
    const content = randomBytes(11 * MIB);
    await bucket.put(`${prefix}large+object`, content, signal);
    const before = await bucket.head(`${prefix}large+object`, signal);
    assert.equal(await bucket.touch(`${prefix}large+object`, content.length, signal, 5 * MIB), true);
    const ranges = proxy.requests.map(({ headers }) => headers['x-amz-copy-source-range']).filter(Boolean);
    assert.deepEqual(ranges, ['bytes=0-5242879', 'bytes=5242880-10485759', 'bytes=10485760-11534335']);
    const now = await bucket.head(`${prefix}large+object`, signal);
    assert.equal(now?.size, content.length);
    assert.notEqual(now.etag, before?.etag);
    assert.equal(await bucket.touch(`${prefix}none`, 10, signal), false);
    assert.equal(await bucket.touch(`${prefix}none`, 10 * MIB, signal, 5 * MIB), false);
  });

  test('who may not list, and is told that what is missing is forbidden, can export', async () => {
    // S3 without s3:ListBucket: moto has no permissions.
    proxy.fault = ({ method, url }) =>
      method === 'HEAD' || url.includes('list-type') ? { kind: 'answer', status: 403 } : undefined;
    const backend = await open();
    const cache = cacheOf('unlisted', [randomBytes(100)]);
    const blobs = [...cache.blobs.values()].map(({ descriptor }) => descriptor);
    assert.equal((await backend.has(blobs, signal)).size, 0);
    assert.equal(await backend.unchanged?.(cache, 'main', signal), undefined);
    assert.equal((await backend.publish(cache, 'main', { signal })).status, 'written');
  });

  test('a service that refuses conditions is compared with just before the write', async () => {
    proxy.fault = ({ headers }) =>
      headers['if-match'] !== undefined || headers['if-none-match'] !== undefined
        ? { kind: 'answer', status: 501, body: '<Error><Code>NotImplemented</Code></Error>' }
        : undefined;
    const backend = await open({ retry_max_attempts: '1' });
    const first = await backend.publish(cacheOf('a', []), 'x', { expected: { version: undefined }, signal });
    assert.equal(first.status, 'written');
    const stale = await backend.publish(cacheOf('b', []), 'x', { expected: { version: '"old"' }, signal });
    assert.equal(stale.status, 'conflict');
  });

  test('an object of another size than its digest promises is written again', async () => {
    const { descriptor, provider } = layer(randomBytes(1000));
    const url = `http://${server.host}/caches/${prefix}blobs/${descriptor.digest}`;
    await fetch(url, { method: 'PUT', body: 'truncated by somebody' });
    const backend = await open();
    assert.equal((await backend.has([descriptor], signal)).size, 0);
    await backend.write(descriptor, provider, { signal });
    assert.equal((await backend.has([descriptor], signal)).size, 1);
  });

  test('every name of a list is one manifest, without names nothing is opened', async () => {
    assert.deepEqual(await (await open({ name: 'a;b' })).names(signal), ['a', 'b']);
    assert.deepEqual(await (await open()).names(signal), ['buildkit']);
    await assert.rejects(open({ name: '' }), { code: 'USAGE' });
  });
});
