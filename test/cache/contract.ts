/**
 * The one contract test of all cache backends, against real servers: what a backend stores comes back, nothing half
 * written is seen, writers do not overwrite each other under merge=true, and whatever a service does wrong costs a
 * warning and never changes what is built.
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import type { CacheBackend, CacheEntry } from '../../src/cache/backends/contract.ts';
import { cacheEntry } from '../../src/cache/backends/create.ts';
import { publishCache } from '../../src/cache/backends/publish.ts';
import type { CacheManifest, ExportedCache } from '../../src/cache/contract.ts';
import {
  ANNOTATION_CREATED_AT,
  ANNOTATION_UNCOMPRESSED,
  type BlobProvider,
  type Descriptor,
  type Digest,
} from '../../src/content/contract.ts';
import { collect } from '../../src/content/verify.ts';
import { createRegistryClient } from '../../src/registry/client.ts';

export interface BackendServer {
  /** Attributes of `--cache-to` and `--cache-from` for a place that nothing was stored in yet. */
  place: () => { to: Record<string, string>; from: Record<string, string> };
  stop(): Promise<void>;
}

export interface BackendUnderTest {
  type: string;
  start: () => Promise<BackendServer>;
  /** Environment of the machine that builds. */
  env?: NodeJS.ProcessEnv;
  /** The service cannot replace conditionally, and a conflict is seen only sometimes. */
  loose?: boolean;
}

const signal = new AbortController().signal;
const sha256 = (bytes: Uint8Array | string): Digest =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** A blob that says to be a layer; its diffID is made up. */
export function layer(bytes: Uint8Array): { descriptor: Descriptor; provider: BlobProvider } {
  return {
    descriptor: {
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest: sha256(bytes),
      size: bytes.length,
      annotations: {
        [ANNOTATION_CREATED_AT]: '2026-11-23T20:08:06.43Z',
        [ANNOTATION_UNCOMPRESSED]: sha256(Buffer.concat([Buffer.from('tar of '), bytes])),
      },
    },
    provider: {
      async *read(_, { range } = {}) {
        yield await Promise.resolve(bytes.subarray(range?.start ?? 0, range?.end));
      },
    },
  };
}

/** A cache of one root and a chain of steps above it, each with one more layer. */
export function cacheOf(root: string, layers: readonly Uint8Array[]): ExportedCache {
  const made = layers.map(layer);
  const ordered = made
    .map(({ descriptor }, index) => ({ blob: descriptor.digest, below: made[index - 1]?.descriptor.digest }))
    .toSorted((a, b) => (a.blob < b.blob ? -1 : 1));
  const indexOf = (digest: Digest | undefined): number => ordered.findIndex(({ blob }) => blob === digest);
  const digests = [
    { digest: sha256(root), index: -1 },
    ...made.map((_, index) => ({ digest: sha256(`${root} step ${index}`), index })),
  ].toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
  const positionOf = (index: number): number => digests.findIndex((each) => each.index === index);
  return {
    config: {
      layers: ordered.map(({ blob, below }) => {
        const parent = below === undefined ? -1 : indexOf(below);
        return parent === 0 ? { blob } : { blob, parent };
      }),
      records: digests.map(({ digest, index }) =>
        index === -1
          ? { digest }
          : {
              layers: [
                { layer: indexOf(made[index]?.descriptor.digest), createdAt: '2026-11-23T20:08:06.430Z' },
              ],
              digest,
              inputs: [[{ link: positionOf(index - 1) }]],
            },
      ),
    },
    blobs: new Map(made.map((each) => [each.descriptor.digest, each])),
  };
}

/** Opens entries; close() ends connections. */
export function opener(env: NodeJS.ProcessEnv = process.env) {
  const registry = createRegistryClient({ credentials: { credentials: async () => undefined } });
  const warnings: string[] = [];
  return {
    warnings,
    async open(
      type: string,
      side: 'to' | 'from',
      attrs: Record<string, string>,
    ): Promise<{ entry: CacheEntry; backend: CacheBackend }> {
      const entry = await cacheEntry({ type, attrs }, side);
      const backend = await entry.open({
        env,
        directory: (path) => path,
        registry: async () => registry,
        warn: (message) => void warnings.push(message),
      });
      return { entry, backend };
    },
    close: () => registry.close(),
  };
}

/** Runs the part of the contract that needs no build. */
export function testBackend({ type, start, env, loose = false }: BackendUnderTest): void {
  describe(`cache backend ${type}`, () => {
    let server: BackendServer;
    let opened: ReturnType<typeof opener>;
    before(async () => {
      server = await start();
      opened = opener(env);
    });
    after(async () => {
      opened.close();
      await server.stop();
    });

    const open = async (
      place: ReturnType<BackendServer['place']>,
    ): Promise<{ to: CacheBackend; from: CacheBackend }> => ({
      to: (await opened.open(type, 'to', place.to)).backend,
      from: (await opened.open(type, 'from', place.from)).backend,
    });
    const nameOf = async (backend: CacheBackend): Promise<string> => (await backend.names(signal))[0] ?? '';
    const resolve = async (backend: CacheBackend): Promise<CacheManifest | undefined> =>
      backend.resolve(await nameOf(backend), signal);
    const publish = async (
      place: ReturnType<BackendServer['place']>,
      cache: ExportedCache,
      extra: Record<string, string> = {},
    ): Promise<string[]> => {
      const { entry, backend } = await opened.open(type, 'to', { ...place.to, ...extra });
      const shown = new Set<string>();
      await publishCache(cache, {
        entry,
        backend,
        signal,
        warn: (message) => void shown.add(message),
        progress: { log() {}, warning() {}, status: ({ id }) => void shown.add(id) },
      });
      return [...shown];
    };
    const readAll = (backend: BlobProvider, blob: Descriptor): Promise<Buffer> =>
      collect(backend.read(blob, { signal }), 1 << 30);

    test('finds nothing where nothing was stored', async () => {
      const { from } = await open(server.place());
      assert.equal(await resolve(from), undefined);
    });

    test('gives back the config, the layers and what they are', async () => {
      const place = server.place();
      const bytes = [randomBytes(1000), randomBytes(70_000), Buffer.from('x')];
      const cache = cacheOf('busybox', bytes);
      await publish(place, cache);
      const { from } = await open(place);
      const found = await resolve(from);
      assert.ok(found !== undefined);
      const plain = found.config.layers?.map(({ blob, parent }) =>
        parent === undefined ? { blob } : { blob, parent },
      );
      assert.deepEqual({ ...found.config, layers: plain }, cache.config);
      for (const [index, content] of bytes.entries()) {
        const wanted = layer(content).descriptor;
        const blob = found.blobs.get(wanted.digest);
        assert.equal(blob?.mediaType, wanted.mediaType, `layer ${index}`);
        assert.equal(blob.size, wanted.size);
        for (const [key, value] of Object.entries(wanted.annotations ?? {}))
          assert.equal(blob.annotations?.[key], value);
        assert.deepEqual(await readAll(found.provider, wanted), Buffer.from(content));
      }
    });

    test('reads a range of a layer', async () => {
      const place = server.place();
      const content = randomBytes(5000);
      await publish(place, cacheOf('range', [content]));
      const { from } = await open(place);
      const range = { start: 100, end: 300 };
      const part = (await resolve(from))?.provider.read(layer(content).descriptor, { range, signal });
      assert.ok(part !== undefined);
      assert.deepEqual(await collect(part, 1000), content.subarray(100, 300));
    });

    test('stores a layer that is larger than what it sends at once', async () => {
      const place = server.place();
      const content = randomBytes(20 * 1024 * 1024 + 17);
      await publish(place, cacheOf('large', [content]));
      const { from } = await open(place);
      const found = await resolve(from);
      const bytes = await readAll(found?.provider ?? from, layer(content).descriptor);
      assert.equal(sha256(bytes), sha256(content));
    });

    test('writes nothing when nothing changed', async () => {
      const place = server.place();
      const cache = cacheOf('same', [randomBytes(100), randomBytes(200)]);
      assert.equal((await publish(place, cache)).filter((id) => id.startsWith('writing layer')).length, 2);
      const again = await publish(place, cache);
      assert.deepEqual(
        again.filter((id) => id.startsWith('writing')),
        [],
      );
      assert.ok(again.some((id) => id.endsWith('is unchanged')));
    });

    test('writes only the layers that are not there', async () => {
      const place = server.place();
      const old = randomBytes(100);
      await publish(place, cacheOf('one', [old]));
      const added = randomBytes(100);
      const { to } = await open(place);
      const known = await to.has(
        [old, added].map((bytes) => layer(bytes).descriptor),
        signal,
      );
      assert.deepEqual([...known], [layer(old).descriptor.digest]);
      const shown = await publish(place, cacheOf('one', [old, added]));
      assert.deepEqual(
        shown.filter((id) => id.startsWith('writing layer')),
        [`writing layer ${layer(added).descriptor.digest}`],
      );
    });

    test('takes a layer twice', async () => {
      const place = server.place();
      const { descriptor, provider } = layer(randomBytes(3000));
      const { to } = await open(place);
      await to.write(descriptor, provider, { signal });
      await to.write(descriptor, provider, { signal });
      assert.equal((await readAll(to, descriptor)).length, 3000);
      await to.finish?.(signal);
    });

    test('keeps nothing of a layer whose source fails in the middle', async () => {
      const place = server.place();
      const content = randomBytes(200_000);
      const { descriptor } = layer(content);
      const { to } = await open(place);
      const broken: BlobProvider = {
        async *read() {
          yield await Promise.resolve(content.subarray(0, 100_000));
          throw new Error('the source broke');
        },
      };
      await assert.rejects(to.write(descriptor, broken, { signal }));
      assert.deepEqual([...(await to.has([descriptor], signal))], []);
      await assert.rejects(readAll(to, descriptor));
      await to.finish?.(signal);
    });

    test('leaves out a layer that cannot be read, with what lies above it', async () => {
      const place = server.place();
      const bytes = [randomBytes(50), randomBytes(60), randomBytes(70)];
      const cache = cacheOf('lost', bytes);
      const lost = layer(bytes[1] ?? Buffer.of()).descriptor;
      cache.blobs.set(lost.digest, {
        descriptor: lost,
        provider: {
          // eslint-disable-next-line require-yield
          async *read() {
            throw new Error('gone');
          },
        },
      });
      const shown = await publish(place, cache);
      assert.ok(shown.some((message) => message.includes(lost.digest) && message.includes('gone')));
      const { from } = await open(place);
      const found = await resolve(from);
      assert.deepEqual([...(found?.blobs.keys() ?? [])], [layer(bytes[0] ?? Buffer.of()).descriptor.digest]);
      assert.equal(found?.config.records?.length, 4);
      assert.equal(found.config.records.filter(({ layers }) => layers !== undefined).length, 1);
    });

    test('replaces what is there', async () => {
      const place = server.place();
      await publish(place, cacheOf('first', [randomBytes(10)]));
      const second = cacheOf('second', [randomBytes(10)]);
      await publish(place, second);
      const { from } = await open(place);
      const found = await resolve(from);
      assert.deepEqual(
        found?.config.records?.map(({ digest }) => digest),
        second.config.records?.map(({ digest }) => digest),
      );
    });

    test('refuses a publish when what is there is not what was expected', async () => {
      const place = server.place();
      const { to } = await open(place);
      const name = await nameOf(to);
      await publish(place, cacheOf('theirs', [randomBytes(10)]));
      const mine = cacheOf('mine', [randomBytes(10)]);
      for (const { descriptor, provider } of mine.blobs.values())
        await to.write(descriptor, provider, { signal });
      const none = await to.publish(mine, name, { expected: { version: undefined }, signal });
      assert.equal(none.status, 'conflict');
      const current = await to.resolve(name, signal);
      assert.equal(current?.config.records?.[0]?.digest !== undefined, true);
      const right = await to.publish(mine, name, { expected: { version: current?.version }, signal });
      assert.equal(right.status, 'written');
      await to.finish?.(signal);
    });

    test('unites with what is there under merge=true', async () => {
      const place = server.place();
      const parts = ['a', 'b'].map((root) => cacheOf(root, [randomBytes(10), randomBytes(20)]));
      for (const part of parts) await publish(place, part, { merge: 'true' });
      const { from } = await open(place);
      const found = await resolve(from);
      const wanted = parts.flatMap(({ config }) => config.records?.map(({ digest }) => digest) ?? []);
      assert.deepEqual(found?.config.records?.map(({ digest }) => digest).toSorted(), wanted.toSorted());
      assert.equal(found?.blobs.size, 4);
      const again = await publish(place, parts[0] ?? cacheOf('a', []), { merge: 'true' });
      assert.ok(again.some((id) => id.endsWith('is unchanged')));
    });

    test('loses no record when several merge at once', { skip: loose }, async () => {
      const place = server.place();
      const parts = Array.from({ length: 4 }, (_, index) => cacheOf(`writer ${index}`, [randomBytes(30)]));
      await Promise.all(parts.map((part) => publish(place, part, { merge: 'true' })));
      const { from } = await open(place);
      const found = await resolve(from);
      assert.equal(found?.config.records?.length, 8);
    });

    test('exports nothing for a result without layers', async () => {
      const place = server.place();
      const shown = await publish(place, {
        config: { records: [{ digest: sha256('x') }] },
        blobs: new Map(),
      });
      assert.deepEqual(shown.slice(0, 1), ['skipping cache export for empty result']);
      const { from } = await open(place);
      assert.equal(await resolve(from), undefined);
    });
  });
}
