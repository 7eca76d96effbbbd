/** Keys that another job has reserved: it may be about to fill them, or be dead. */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { GhaBackend } from '../../src/cache/backends/gha/backend.ts';
import { Caller } from '../../src/cache/backends/gha/calls.ts';
import { blobKey, indexKey, numberedKey } from '../../src/cache/backends/gha/keys.ts';
import { ServiceV2 } from '../../src/cache/backends/gha/service_v2.ts';
import { Throttle } from '../../src/cache/backends/gha/throttle.ts';
import { UploadSource } from '../../src/cache/backends/gha/upload_source.ts';
import { createTransport } from '../../src/registry/transport.ts';
import { startGithubCache, type GithubCache } from '../servers/github_cache.ts';
import { cacheOf, layer } from './contract.ts';

const signal = new AbortController().signal;
let server: GithubCache;

before(async () => {
  server = await startGithubCache();
});
after(() => server.stop());

function setup(waits: { index: number; blobs: number; poll: number }) {
  const throttle = new Throttle({ budget: 60_000, uploads: 200, window: 60_000 });
  const caller = new Caller(createTransport(), throttle);
  const service = new ServiceV2(server.url, server.token(), caller);
  const name = indexKey(randomUUID(), 'refs/heads/main');
  const warnings: string[] = [];
  const backend = new GhaBackend({
    caller,
    service,
    names: [name],
    related: [name],
    waits,
    warn: (message) => void warnings.push(message),
  });
  return { service, backend, name, warnings };
}

const SHORT = { index: 60, blobs: 60, poll: 20 };
const LONG = { index: 60_000, blobs: 60_000, poll: 20 };

test('a layer that another job never completes is left out, with what lies above it', async () => {
  const { service, backend, name, warnings } = setup(SHORT);
  const layers = [randomBytes(10), randomBytes(20), randomBytes(30)];
  const cache = cacheOf('dead', layers);
  const stuck = layer(layers[1] ?? Buffer.of()).descriptor.digest;
  assert.ok(await service.reserve(blobKey(stuck), signal));
  for (const { descriptor, provider } of cache.blobs.values())
    await backend.write(descriptor, provider, { signal });
  assert.equal((await backend.publish(cache, name, { signal })).status, 'written');
  assert.match(
    warnings[0] ?? '',
    new RegExp(`${stuck}.* reserved by an upload that does not end, and left out`),
  );
  const found = await backend.resolve(name, signal);
  assert.deepEqual([...(found?.blobs.keys() ?? [])], [layer(layers[0] ?? Buffer.of()).descriptor.digest]);
  assert.equal(found?.config.records?.length, 4);
});

test('a layer that another job is uploading is waited for', async () => {
  const { service, backend, name, warnings } = setup(LONG);
  const content = randomBytes(10);
  const cache = cacheOf('busy', [content]);
  const { descriptor, provider } = layer(content);
  const reservation = await service.reserve(blobKey(descriptor.digest), signal);
  assert.ok(reservation);
  await backend.write(descriptor, provider, { signal });
  const published = backend.publish(cache, name, { signal });
  await service.fill(reservation, new UploadSource(descriptor, provider, signal), signal);
  assert.equal((await published).status, 'written');
  assert.deepEqual(warnings, []);
  assert.equal((await backend.resolve(name, signal))?.blobs.size, 1);
});

test('merge=true waits for who has the next number, and passes over who has died', async () => {
  const { service, backend, name } = setup(SHORT);
  const content = randomBytes(10);
  const cache = cacheOf('merge', [content]);
  const { descriptor, provider } = layer(content);
  await backend.write(descriptor, provider, { signal });
  const expected = { version: undefined };
  assert.ok(await service.reserve(numberedKey(name, 1), signal));
  assert.equal((await backend.publish(cache, name, { expected, signal })).status, 'written');
  assert.equal((await backend.resolve(name, signal))?.version, `${name}#2`);

  const other = setup(LONG);
  const reservation = await other.service.reserve(numberedKey(other.name, 1), signal);
  assert.ok(reservation);
  const late = other.backend.publish(cache, other.name, { expected, signal });
  await other.service.fill(reservation, new UploadSource(descriptor, provider, signal), signal);
  assert.equal((await late).status, 'conflict');
});
