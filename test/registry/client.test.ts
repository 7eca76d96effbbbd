/** The registry client against the distribution project's server, with skopeo reading back. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import type { BlobProvider, Descriptor, Digest } from '../../src/content/contract.ts';
import { createRegistryClient, type RegistryClientOptions } from '../../src/registry/client.ts';
import type { RegistryClient } from '../../src/registry/contract.ts';
import { parseReference } from '../../src/registry/reference.ts';
import { RegistryError } from '../../src/registry/registry_error.ts';
import { startDockerRegistry, type RegistryServer } from '../servers/docker_registry.ts';
import { startFaultProxy, type Fault, type FaultProxy, type ProxyRequest } from '../servers/fault_proxy.ts';

const ANONYMOUS = { credentials: async () => undefined };
const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

let registry: RegistryServer;
let proxy: FaultProxy;
before(async () => {
  registry = await startDockerRegistry();
  proxy = await startFaultProxy(registry.host);
});
after(async () => {
  await proxy.stop();
  await registry.stop();
});

function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function blobOf(bytes: Uint8Array): { blob: Descriptor; provider: BlobProvider; bytes: Uint8Array } {
  const blob = {
    mediaType: 'application/vnd.oci.image.layer.v1.tar',
    digest: digestOf(bytes),
    size: bytes.length,
  };
  return {
    bytes,
    blob,
    provider: {
      async *read() {
        for (let at = 0; at < bytes.length; at += 64 * 1024) yield bytes.subarray(at, at + 64 * 1024);
      },
    },
  };
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

/** Runs with a client and a clean proxy, whose requests and faults are the test's own. */
async function withClient(
  use: (client: RegistryClient) => Promise<void>,
  options: Partial<RegistryClientOptions> = {},
): Promise<void> {
  const client = createRegistryClient({ credentials: ANONYMOUS, ...options });
  proxy.requests.length = 0;
  proxy.fault = undefined;
  try {
    await use(client);
  } finally {
    proxy.fault = undefined;
    client.close();
  }
}

/** The fault for the first `times` requests that match. */
function firstTimes(times: number, match: (request: ProxyRequest) => boolean, fault: Fault): void {
  let left = times;
  proxy.fault = (request) => (match(request) && left-- > 0 ? fault : undefined);
}

async function pushImage(client: RegistryClient, name: string): Promise<void> {
  const reference = parseReference(name);
  const repository = client.repository(reference, { forPush: true });
  const layer = blobOf(randomBytes(3 * 1024 * 1024));
  const config = blobOf(
    Buffer.from(
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        config: { Labels: { name } },
        rootfs: { type: 'layers', diff_ids: [layer.blob.digest] },
      }),
    ),
  );
  const configBlob = { ...config.blob, mediaType: 'application/vnd.oci.image.config.v1+json' };
  await Promise.all([
    repository.pushBlob(layer.blob, layer.provider),
    repository.pushBlob(configBlob, config.provider),
  ]);
  const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: configBlob, layers: [layer.blob] };
  await repository.pushManifest(reference.tag ?? '', Buffer.from(JSON.stringify(manifest)), OCI_MANIFEST);
}

test('a pushed image is read back by skopeo', () =>
  withClient(async (client) => {
    await pushImage(client, `${registry.host}/team/app:1`);
    const out = execFileSync('skopeo', [
      'inspect',
      '--config',
      '--tls-verify=false',
      `docker://${registry.host}/team/app:1`,
    ]);
    const config = JSON.parse(out.toString()) as { config: { Labels: { name: string } } };
    assert.equal(config.config.Labels.name, `${registry.host}/team/app:1`);
    const directory = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim();
    execFileSync('skopeo', [
      'copy',
      '-q',
      '--src-tls-verify=false',
      `docker://${registry.host}/team/app:1`,
      `dir:${directory}`,
    ]);
    execFileSync('rm', ['-r', directory]);
  }));

test('pushBlob uploads once, finds it there, and mounts it from another repository', () =>
  withClient(async (client) => {
    const one = client.repository(parseReference(`${proxy.host}/one`), { forPush: true });
    const two = client.repository(parseReference(`${proxy.host}/two`), { forPush: true });
    const small = blobOf(randomBytes(1000));
    const large = blobOf(randomBytes(5_000_000));
    const sizes: number[] = [];
    assert.equal(await one.pushBlob(small.blob, small.provider), 'uploaded');
    const onProgress = (bytes: number): number => sizes.push(bytes);
    assert.equal(await one.pushBlob(large.blob, large.provider, { onProgress }), 'uploaded');
    assert.equal(sizes.at(-1), 5_000_000);
    assert.deepEqual(
      sizes,
      sizes.toSorted((a, b) => a - b),
    );
    assert.equal(await one.pushBlob(large.blob, large.provider), 'exists');
    assert.equal(await two.pushBlob(large.blob, large.provider, { from: [one.origin] }), 'mounted');
    const foreign = { host: 'elsewhere.example.com', repository: 'one' };
    assert.equal(await two.pushBlob(small.blob, small.provider, { from: [foreign] }), 'uploaded');
    assert.deepEqual(await collect(two.read(large.blob)), Buffer.from(large.bytes));
    assert.deepEqual(
      await collect(two.read(large.blob, { range: { start: 10, end: 20 } })),
      Buffer.from(large.bytes.subarray(10, 20)),
    );
  }));

test('pushBlob goes on with the upload that a refused mount began', () =>
  withClient(async (client) => {
    const target = client.repository(parseReference(`${proxy.host}/three`), { forPush: true });
    const data = blobOf(randomBytes(100));
    const from = [{ host: proxy.host, repository: 'has-it-not' }];
    assert.equal(await target.pushBlob(data.blob, data.provider, { from }), 'uploaded');
    assert.deepEqual(
      proxy.requests.map((request) => request.method),
      ['POST', 'HEAD', 'PUT'],
    );
  }));

test('pushBlob does not ask for a small blob that is most likely new', () =>
  withClient(async (client) => {
    const target = client.repository(parseReference(`${proxy.host}/new`), { forPush: true });
    const data = blobOf(randomBytes(100));
    for (const _ of [1, 2]) {
      assert.equal(await target.pushBlob(data.blob, data.provider, { likelyNew: true }), 'uploaded');
    }
    assert.deepEqual(
      proxy.requests.map((request) => request.method),
      ['POST', 'PUT', 'POST', 'PUT'],
    );
  }));

test('pushBlob asks for nothing that came from the same repository', () =>
  withClient(async (client) => {
    const target = client.repository(parseReference(`${proxy.host}/own`), { forPush: true });
    const data = blobOf(randomBytes(100));
    assert.equal(await target.pushBlob(data.blob, data.provider, { from: [target.origin] }), 'exists');
    assert.deepEqual(proxy.requests, []);
  }));

test('two pushes of one blob at the same time make one upload', () =>
  withClient(async (client) => {
    const target = client.repository(parseReference(`${proxy.host}/same`), { forPush: true });
    const data = blobOf(randomBytes(100));
    const results = await Promise.all([
      target.pushBlob(data.blob, data.provider),
      target.pushBlob(data.blob, data.provider),
    ]);
    assert.deepEqual(results.toSorted(), ['exists', 'uploaded']);
    assert.equal(proxy.requests.filter((request) => request.method === 'PUT').length, 1);
  }));

test('an upload that broke off is begun again', () =>
  withClient(async (client) => {
    const target = client.repository(parseReference(`${proxy.host}/again`), { forPush: true });
    const data = blobOf(randomBytes(4_000_000));
    firstTimes(1, (request) => request.method === 'PUT', { kind: 'refuse' });
    assert.equal(await target.pushBlob(data.blob, data.provider), 'uploaded');
    assert.equal(proxy.requests.filter((request) => request.method === 'POST').length, 2);
  }));

test('a blob whose provider gives other bytes than promised is refused', () =>
  withClient(async (client) => {
    const target = client.repository(parseReference(`${proxy.host}/lies`), { forPush: true });
    const data = blobOf(randomBytes(3_000_000));
    const short = { ...data.blob, size: data.blob.size + 1 };
    await assert.rejects(target.pushBlob(short, data.provider), { code: 'CORRUPT' });
    const other = blobOf(randomBytes(2_000_000));
    await assert.rejects(
      target.pushBlob({ ...data.blob, size: 2_000_000 }, other.provider),
      (error) => error instanceof RegistryError && error.diagnostics[0]?.code === 'DIGEST_INVALID',
    );
  }));

test('resolve and manifest tell what is there, by tag and by digest', () =>
  withClient(async (client) => {
    await pushImage(client, `${registry.host}/found:1`);
    const repository = client.repository(parseReference(`${registry.host}/found`));
    const descriptor = await repository.resolve('1');
    assert.equal(descriptor?.mediaType, OCI_MANIFEST);
    assert.deepEqual(await repository.resolve(descriptor?.digest ?? ''), descriptor);
    assert.deepEqual((await repository.manifest('1')).descriptor, descriptor);
    assert.equal(await repository.resolve('none'), undefined);
    await assert.rejects(repository.manifest('none'), {
      code: 'NOT_FOUND',
      message: `${registry.host}/found:none: not found`,
    });
    assert.equal(await repository.hasBlob(digestOf(Buffer.from('nothing'))), false);
  }));

test('a download that is reset goes on where it stopped', () =>
  withClient(async (client) => {
    const repository = client.repository(parseReference(`${proxy.host}/reset`));
    const data = blobOf(randomBytes(2_000_000));
    await repository.pushBlob(data.blob, data.provider);
    proxy.requests.length = 0;
    firstTimes(2, (request) => request.method === 'GET', { kind: 'reset', after: 700_000 });
    assert.deepEqual(await collect(repository.read(data.blob)), Buffer.from(data.bytes));
    const ranges = proxy.requests.map((request) => request.headers.range);
    assert.equal(ranges.length, 3);
    assert.equal(ranges[0], undefined);
    assert.match(String(ranges[2]), /^bytes=[1-9]\d*-$/);
  }));

test('blobs that are truncated, too long or not there have errors of their own', () =>
  withClient(async (client) => {
    const repository = client.repository(parseReference(`${proxy.host}/bad`));
    const data = blobOf(randomBytes(10_000));
    await repository.pushBlob(data.blob, data.provider);
    // The registry's whole blob is shorter than the manifest says.
    await assert.rejects(collect(repository.read({ ...data.blob, size: 10_001 })), {
      code: 'CORRUPT',
      message: `blob ${data.blob.digest} of ${proxy.host}/bad ended after 10000 of 10001 bytes`,
    });
    await assert.rejects(
      collect(repository.read({ ...data.blob, size: 9_999 })),
      /is longer than its 9999 bytes/,
    );
    const missing = { ...data.blob, digest: digestOf(Buffer.from('missing')) };
    await assert.rejects(collect(repository.read(missing)), { code: 'NOT_FOUND' });
    proxy.fault = (request) => (request.method === 'GET' ? { kind: 'truncate', after: 0 } : undefined);
    await assert.rejects(collect(repository.read(data.blob)), /ended after 0 of 10000 bytes/);
  }));

test('a registry that lies about a manifest is refused', () =>
  withClient(async (client) => {
    await pushImage(client, `${registry.host}/liar:1`);
    const repository = client.repository(parseReference(`${proxy.host}/liar`));
    const digest = (await repository.resolve('1'))?.digest ?? '';
    proxy.fault = () => ({ kind: 'corrupt' });
    await assert.rejects(repository.manifest(digest), { code: 'CORRUPT' });
    await assert.rejects(repository.manifest('1'), { code: 'CORRUPT' });
    const other = digestOf(Buffer.from('other'));
    proxy.fault = () => ({ kind: 'headers', headers: { 'docker-content-digest': other } });
    await assert.rejects(repository.resolve(digest), { code: 'CORRUPT' });
    await assert.rejects(repository.manifest('1'), { code: 'CORRUPT' });
  }));

test('errors that may pass are tried again, as the server asks; others are not', () =>
  withClient(async (client) => {
    await pushImage(client, `${registry.host}/busy:1`);
    const repository = client.repository(parseReference(`${proxy.host}/busy`));
    firstTimes(2, () => true, { kind: 'answer', status: 429, headers: { 'retry-after': '0' } });
    assert.ok(await repository.resolve('1'));
    assert.equal(proxy.requests.length, 3);
    firstTimes(1, () => true, { kind: 'refuse' });
    assert.ok(await repository.resolve('1'));
    proxy.requests.length = 0;
    proxy.fault = () => ({ kind: 'answer', status: 503, headers: { 'retry-after': '3600' } });
    await assert.rejects(repository.resolve('1'), { code: 'UNAVAILABLE', status: 503 });
    assert.equal(proxy.requests.length, 1);
    const body = JSON.stringify({ errors: [{ code: 'DENIED', message: 'no such luck', detail: { x: 1 } }] });
    proxy.fault = () => ({ kind: 'answer', status: 403, body });
    await assert.rejects(repository.manifest('1'), (error) => {
      assert.ok(error instanceof RegistryError);
      assert.equal(error.code, 'DENIED');
      assert.deepEqual(error.diagnostics, [{ code: 'DENIED', message: 'no such luck', detail: { x: 1 } }]);
      assert.equal(
        error.message,
        `GET http://${proxy.host}/v2/busy/manifests/1: DENIED: no such luck; {"x":1}`,
      );
      return true;
    });
    // HEAD says nothing of why it refuses, so it is asked with GET.
    await assert.rejects(repository.resolve('1'), /no such luck/);
  }));

test('a registry that does not answer, or hangs in the middle, runs into named limits', () =>
  withClient(
    async (client) => {
      const repository = client.repository(parseReference(`${proxy.host}/slow`));
      proxy.fault = () => ({ kind: 'hang' });
      await assert.rejects(repository.resolve('1'), {
        code: 'TIMEOUT',
        message: `HEAD "http://${proxy.host}/v2/slow/manifests/1": no progress for 0.05 s`,
      });
    },
    { timeouts: { idle: 50 } },
  ));

test('a registry that refuses connections is named', () =>
  withClient(async (client) => {
    const repository = client.repository(parseReference('127.0.0.1:1/app'));
    await assert.rejects(repository.resolve('1'), {
      code: 'UNAVAILABLE',
      message:
        'Head "http://127.0.0.1:1/v2/app/manifests/1": dial tcp 127.0.0.1:1: connect: connection refused',
    });
  }));

test('an abort ends requests, downloads and waiting', () =>
  withClient(async (client) => {
    const repository = client.repository(parseReference(`${proxy.host}/stop`));
    proxy.fault = () => ({ kind: 'hang' });
    const all = Array.from({ length: 20 }, () => new AbortController());
    const pending = all.map(({ signal }) => repository.resolve('1', { signal }));
    for (const controller of all) controller.abort();
    for (const result of pending) await assert.rejects(result, { code: 'CANCELED' });
    proxy.fault = undefined;
    const data = blobOf(randomBytes(3_000_000));
    await repository.pushBlob(data.blob, data.provider);
    const controller = new AbortController();
    await assert.rejects(
      async () => {
        for await (const _ of repository.read(data.blob, { signal: controller.signal })) controller.abort();
      },
      { code: 'CANCELED' },
    );
    // Breaking off gives the slot back.
    for (let n = 0; n < 10; n++) for await (const _ of repository.read(data.blob)) break;
  }));

test('mirrors are asked first, and the host itself when they fail', () =>
  withClient(
    async (client) => {
      await pushImage(client, `${registry.host}/mirrored:1`);
      const repository = client.repository(parseReference(`${registry.host}/mirrored:1`));
      assert.ok(await repository.resolve('1'));
      assert.equal(proxy.requests.length, 1);
      assert.equal(
        proxy.requests[0]?.url,
        `/v2/mirrored/manifests/1?ns=${encodeURIComponent(registry.host)}`,
      );
      proxy.fault = () => ({ kind: 'answer', status: 404 });
      assert.ok(await repository.resolve('1'));
      proxy.fault = () => ({ kind: 'corrupt' });
      assert.ok(await repository.manifest('1'));
      assert.equal(await repository.resolve('none'), undefined);
    },
    {
      hosts: {
        get: (host: string) =>
          host === registry.host ? { mirrors: [proxy.host], ca: [], keyPairs: [] } : undefined,
      } as unknown as NonNullable<RegistryClientOptions['hosts']>,
    },
  ));
