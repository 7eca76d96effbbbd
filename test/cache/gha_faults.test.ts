/** What GitHub's cache does to its clients, and what becomes of an export or import then. */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { CacheBackend } from '../../src/cache/backends/contract.ts';
import { blobKey } from '../../src/cache/backends/gha/keys.ts';
import type { BlobProvider, Descriptor } from '../../src/content/contract.ts';
import { collect, verified } from '../../src/content/verify.ts';
import { startFaultProxy, type FaultProxy } from '../servers/fault_proxy.ts';
import { READ, startGithubCache, type Access, type GithubCache } from '../servers/github_cache.ts';
import { cacheOf, layer, opener } from './contract.ts';

const signal = new AbortController().signal;
const MAIN: Access = { Scope: 'refs/heads/main', Permission: 3 };

interface Options {
  access?: Access[];
  seconds?: number;
  timeout?: string;
  repository?: string;
  ghtoken?: string;
}

for (const version of ['1', '2']) {
  describe(`GitHub's cache, version ${version}`, () => {
    let server: GithubCache;
    let proxy: FaultProxy;
    let opened: ReturnType<typeof opener>;
    let scope: string;

    before(async () => {
      server = await startGithubCache();
      proxy = await startFaultProxy(server.host);
      opened = opener({ GITHUB_API_URL: server.url });
    });
    after(async () => {
      opened.close();
      await proxy.stop();
      await server.stop();
    });
    beforeEach(() => {
      scope = randomUUID();
      server.fault = undefined;
      proxy.fault = undefined;
      server.requests.length = 0;
      proxy.requests.length = 0;
      opened.warnings.length = 0;
    });

    const open = async (
      side: 'to' | 'from',
      { access = [MAIN], seconds, ...more }: Options = {},
    ): Promise<CacheBackend> => {
      const url = `http://${proxy.host}`;
      const place = version === '1' ? { url } : { url_v2: url };
      const token = server.token(access, seconds);
      return (await opened.open('gha', side, { ...place, version, token, scope, ...more })).backend;
    };
    const publish = async (
      to: CacheBackend,
      layers: readonly Uint8Array[],
      root = 'root',
    ): Promise<string> => {
      const cache = cacheOf(root, layers);
      const present = await to.has(
        [...cache.blobs.values()].map(({ descriptor }) => descriptor),
        signal,
      );
      for (const { descriptor, provider } of cache.blobs.values())
        if (!present.has(descriptor.digest)) await to.write(descriptor, provider, { signal });
      const [name = ''] = await to.names(signal);
      return (await to.publish(cache, name, { signal })).status;
    };
    const resolve = async (from: CacheBackend) => {
      const found = await Promise.all((await from.names(signal)).map((name) => from.resolve(name, signal)));
      return found.filter((manifest) => manifest !== undefined);
    };
    const readAll = (from: BlobProvider, blob: Descriptor): Promise<Buffer> =>
      collect(verified(from.read(blob, { signal }), blob), 1 << 26);
    /** A fault for the first `times` requests to reserve a key, to upload, or to download. */
    const once = (kind: 'reserve' | 'upload' | 'lookup' | 'download', times = 1) => {
      let left = times;
      return ({ method = '', url = '' }: { method?: string; url?: string }): boolean => {
        const is = {
          reserve: url.endsWith('/CreateCacheEntry') || url.endsWith('/caches'),
          upload: (method === 'PUT' && url.startsWith('/actions-cache/')) || method === 'PATCH',
          lookup: url.endsWith('/GetCacheEntryDownloadURL') || url.includes('/cache?'),
          download: method === 'GET' && url.startsWith('/actions-cache/'),
        }[kind];
        if (is) left -= 1;
        return is && left >= 0;
      };
    };
    const count = (part: string): number => proxy.requests.filter(({ url }) => url.includes(part)).length;

    test('a branch reads the default branch and writes only what is its own', async () => {
      const [base, own] = [randomBytes(100), randomBytes(100)];
      await publish(await open('to'), [base]);
      const pull = [
        { Scope: 'refs/pull/1/merge', Permission: 3 },
        { ...MAIN, Permission: READ },
      ];
      const before = server.entries().length;
      await publish(await open('to', { access: pull }), [base, own]);
      const made = server.entries().slice(before);
      assert.deepEqual(
        made.map(({ key, scope: ref }) => [key.replace(scope, 'S'), ref]),
        [
          [blobKey(layer(own).descriptor.digest), 'refs/pull/1/merge'],
          ['index-S-1-40a31afc#1', 'refs/pull/1/merge'],
        ],
      );
      const found = await resolve(await open('from', { access: pull }));
      assert.deepEqual(
        found.map(({ blobs }) => blobs.size),
        [2, 1],
      );
      assert.equal((await resolve(await open('from'))).length, 1);
    });

    test('a token that may only read, or has expired, is recognised without a request', async () => {
      const access = [{ ...MAIN, Permission: READ }];
      await assert.rejects(open('to', { access }), { code: 'DENIED', message: /no scope that it may write/ });
      await assert.rejects(open('from', { seconds: -1 }), { code: 'DENIED', message: /expired at/ });
      assert.equal(proxy.requests.length, 0);
    });

    test('a refusal says what was refused and why', async () => {
      proxy.fault = (request) =>
        once('reserve')(request)
          ? { kind: 'answer', status: 403, body: '{"code":"permission_denied","msg":"no writable scopes"}' }
          : undefined;
      await assert.rejects(publish(await open('to'), [randomBytes(10)]), {
        code: 'DENIED',
        message:
          /failed to reserve buildkit-blob-1-sha256:\w+: 403 Forbidden: permission_denied: no writable scopes/,
      });
      assert.equal(proxy.requests.filter(once('reserve', 99)).length, 1);
    });

    test('an export waits as long as GitHub asks', async () => {
      const refused = once('reserve', 3);
      const headers = { 'retry-after': '1' };
      proxy.fault = (request) => (refused(request) ? { kind: 'answer', status: 429, headers } : undefined);
      assert.equal(await publish(await open('to'), [randomBytes(10)]), 'written');
      assert.equal(proxy.requests.filter(once('reserve', 99)).length, 5);
    });

    test('an export gives up at once when GitHub asks for more than timeout=', async () => {
      const headers = { 'retry-after': '3600' };
      proxy.fault = (request) =>
        once('reserve')(request) ? { kind: 'answer', status: 429, headers } : undefined;
      await assert.rejects(publish(await open('to', { timeout: '1m' }), [randomBytes(10)]), {
        code: 'UNAVAILABLE',
        message: /a pause of 3600 s, more than timeout= allows/,
      });
    });

    for (const kind of ['reserve', 'upload', 'lookup', 'download'] as const) {
      test(`a server's own errors and broken connections are tried again: ${kind}`, async () => {
        const content = randomBytes(5000);
        const faulty = once(kind, 2);
        let refuse = true;
        proxy.fault = (request) => {
          if (!faulty(request)) return undefined;
          refuse = !refuse;
          return refuse ? { kind: 'refuse' } : { kind: 'answer', status: 503, body: 'busy' };
        };
        assert.equal(await publish(await open('to'), [content]), 'written');
        const from = await open('from');
        assert.equal((await resolve(from)).length, 1);
        assert.deepEqual(await readAll(from, layer(content).descriptor), content);
      });
    }

    test('a service that stays broken is given up', async () => {
      proxy.fault = () => ({ kind: 'answer', status: 500, body: 'broken' });
      await assert.rejects(resolve(await open('from')), {
        code: 'UNAVAILABLE',
        message: /failed to look up .*: 500 Internal Server Error: broken/,
      });
      assert.ok(proxy.requests.length <= 5);
    });

    for (const kind of ['reset', 'truncate'] as const) {
      test(`a download goes on from where it broke off: ${kind}`, async () => {
        const content = randomBytes(300_000);
        await publish(await open('to'), [content]);
        const from = await open('from');
        await resolve(from);
        const broken = once('download');
        proxy.fault = (request) => (broken(request) ? { kind, after: 100_000 } : undefined);
        assert.deepEqual(await readAll(from, layer(content).descriptor), content);
        const ranges = proxy.requests.filter(once('download', 99)).map(({ headers }) => headers.range);
        assert.equal(ranges.length, 3);
        assert.match(ranges.at(-1) ?? '', /^bytes=[1-9]\d*-$/);
      });
    }

    test('changed bytes do not pass', async () => {
      const content = randomBytes(1000);
      await publish(await open('to'), [content]);
      const from = await open('from');
      proxy.fault = (request) => (once('download')(request) ? { kind: 'corrupt' } : undefined);
      await assert.rejects(readAll(from, layer(content).descriptor), { code: 'CORRUPT' });
    });

    test('an expired URL is asked for again, once', async () => {
      const content = randomBytes(1000);
      await publish(await open('to'), [content]);
      const from = await open('from');
      assert.equal((await readAll(from, layer(content).descriptor)).length, 1000);
      server.advance(2 * 3_600_000);
      proxy.requests.length = 0;
      assert.equal((await readAll(from, layer(content).descriptor)).length, 1000);
      assert.equal(proxy.requests.length, 3);
      proxy.fault = (request) =>
        once('download')(request)
          ? { kind: 'answer', status: 403, body: '<Error><Code>Gone</Code></Error>' }
          : undefined;
      await assert.rejects(readAll(from, layer(content).descriptor), {
        code: 'DENIED',
        message: /403 .*: Gone$/,
      });
    });

    test('a layer that was evicted is missed alone, and stored again by the next export', async () => {
      const [kept, lost] = [randomBytes(100), randomBytes(200)];
      await publish(await open('to'), [kept, lost]);
      server.evict(({ key }) => key === blobKey(layer(lost).descriptor.digest));
      const from = await open('from');
      assert.equal((await resolve(from)).length, 1);
      await assert.rejects(readAll(from, layer(lost).descriptor), {
        code: 'NOT_FOUND',
        message: /^buildkit-blob-1-sha256:\w+ is not in GitHub's cache any more$/,
      });
      assert.deepEqual(await readAll(from, layer(kept).descriptor), kept);
      assert.equal(await publish(await open('to'), [kept, lost]), 'unchanged');
      assert.deepEqual(await readAll(from, layer(lost).descriptor), lost);
    });

    test('merge=true asks about all layers, as any may have been evicted', async () => {
      const [kept, lost] = [randomBytes(100), randomBytes(200)];
      await publish(await open('to'), [kept, lost]);
      server.evict(({ key }) => key === blobKey(layer(lost).descriptor.digest));
      const to = await open('to');
      assert.ok(to.blobsMayExpire);
      const both = [kept, lost].map((bytes) => layer(bytes).descriptor);
      assert.deepEqual([...(await to.has(both, signal))], [layer(kept).descriptor.digest]);
    });

    test('nothing is reserved for a layer that cannot be read', async () => {
      const { descriptor } = layer(randomBytes(10));
      const unreadable: BlobProvider = {
        // eslint-disable-next-line require-yield
        async *read() {
          throw new Error('gone');
        },
      };
      await assert.rejects((await open('to')).write(descriptor, unreadable, { signal }), /gone/);
      assert.equal(proxy.requests.length, 0);
    });

    test('a layer whose bytes are not what they should be is not stored', async () => {
      const { descriptor } = layer(randomBytes(1000));
      const wrong: BlobProvider = {
        read: () => verified(Readable.from([randomBytes(1000)]), descriptor),
      };
      await assert.rejects((await open('to')).write(descriptor, wrong, { signal }), { code: 'CORRUPT' });
      await assert.rejects(readAll(await open('from'), descriptor), { code: 'NOT_FOUND' });
    });

    test('entries are listed over the REST API where there is a token for it', async () => {
      const layers = Array.from({ length: 12 }, () => randomBytes(50));
      await publish(await open('to'), layers);
      proxy.requests.length = 0;
      server.requests.length = 0;
      const listing = { repository: 'o/r', ghtoken: server.restToken };
      assert.equal(await publish(await open('to', listing), layers), 'unchanged');
      const paths = server.requests.map(({ url }) => url.split('?')[0] ?? '');
      assert.equal(paths.filter((path) => path === '/repos/o/r/actions/caches').length, 1);
      assert.equal(paths.length, 3);
      const wrong = { repository: 'o/r', ghtoken: 'wrong-token' };
      assert.equal(await publish(await open('to', wrong), layers), 'unchanged');
      assert.equal(opened.warnings.length, 1);
      assert.match(opened.warnings[0] ?? '', /cannot be listed.*401 Unauthorized: Bad credentials/);
    });

    test('again and nothing changed costs a look at the index and at each layer', async () => {
      const layers = [randomBytes(50), randomBytes(60), randomBytes(70)];
      assert.equal(await publish(await open('to'), layers), 'written');
      assert.equal(count(''), 3 * 3 + 1 + 3);
      proxy.requests.length = 0;
      assert.equal(await publish(await open('to'), layers), 'unchanged');
      assert.equal(count(''), 2 + 3);
      proxy.requests.length = 0;
      assert.equal((await resolve(await open('from'))).length, 1);
      assert.equal(count(''), 2);
    });

    test('an index that is no JSON is told, and replaced by the next export', async () => {
      const layers = [randomBytes(10)];
      await publish(await open('to'), layers);
      for (const row of server.entries()) if (row.key.includes(scope)) row.bytes = Buffer.from('<html>');
      await assert.rejects(resolve(await open('from')), { code: 'CORRUPT', message: /not JSON/ });
      assert.equal(await publish(await open('to'), layers), 'written');
      assert.equal((await resolve(await open('from'))).length, 1);
    });

    test('numbers that somebody reserved and never filled are passed over', async () => {
      const to = await open('to');
      const [name = ''] = await to.names(signal);
      await publish(to, [randomBytes(10)]);
      const upload = once('upload');
      proxy.fault = (request) => (upload(request) ? { kind: 'answer', status: 400 } : undefined);
      await assert.rejects(publish(await open('to'), []));
      assert.equal(await publish(await open('to'), [], 'other'), 'written');
      const keys = server.entries().map(({ key }) => key);
      assert.ok(keys.includes(`${name}#3`) && !keys.includes(`${name}#2`));
    });
  });
}
