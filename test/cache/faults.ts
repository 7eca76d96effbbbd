/**
 * Whatever a cache's service does wrong while a build imports: the build succeeds, its image is the same as without
 * a cache, and one who reads the output learns what went wrong.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startBaseImageRegistry } from '../servers/base_images.ts';
import type { RegistryServer } from '../servers/docker_registry.ts';
import { startFaultProxy, type Fault, type FaultProxy, type ProxyRequest } from '../servers/fault_proxy.ts';
import { buildImage, type Built } from './build.ts';

export interface FaultyServer {
  /** `host:port` of the real server. */
  target: string;
  /** `--cache-to` that reaches it directly. */
  to: string;
  /** `--cache-from` by way of the proxy, which listens at this `host:port`. */
  from: (proxy: string) => string;
  /** Requests for a manifest, config or index; all others are for layers. */
  isIndex: (request: ProxyRequest) => boolean;
  /** Requests for the bytes of one of these layers. */
  isLayer: (request: ProxyRequest, layers: readonly string[]) => boolean;
  env?: NodeJS.ProcessEnv;
  stop: () => Promise<void>;
}

const NOT_JSON = { kind: 'answer', status: 200, body: '<html>a portal</html>' } as const;

/** By what is faulty; `silent`: it cannot be told from a cache that is not there. */
const FAULTS: [where: 'all' | 'index' | 'layer', name: string, fault: Fault, silent?: boolean][] = [
  ['all', 'every connection is refused', { kind: 'refuse' }],
  ['all', 'every request is answered with 403', { kind: 'answer', status: 403, body: 'no' }],
  ['all', 'every request is answered with 500', { kind: 'answer', status: 500, body: 'broken' }],
  ['all', 'nothing is ever answered', { kind: 'hang' }],
  ['index', 'the index is not JSON', NOT_JSON],
  ['index', 'the index is cut short', { kind: 'truncate', after: 20 }],
  ['index', 'the connection breaks within the index', { kind: 'reset', after: 20 }],
  ['index', 'the index is not there', { kind: 'answer', status: 404 }, true],
  ['layer', 'a layer is not there', { kind: 'answer', status: 404 }],
  ['layer', 'a layer is refused', { kind: 'answer', status: 403 }],
  ['layer', 'a layer is answered with 500', { kind: 'answer', status: 500 }],
  ['layer', 'a layer is never answered', { kind: 'hang' }],
  ['layer', 'a layer has other bytes', { kind: 'corrupt' }],
  ['layer', 'a layer is cut short', { kind: 'truncate', after: 20 }],
  ['layer', 'the connection breaks within a layer', { kind: 'reset', after: 20 }],
];

/** @param start gives the server an empty place for a cache */
export function testFaults(name: string, start: () => Promise<FaultyServer>): void {
  describe(`faults of cache backend ${name}`, () => {
    let images: RegistryServer;
    let server: FaultyServer;
    let proxy: FaultProxy;
    let without: Built;
    let layers: string[];

    const build = (): Promise<Built> =>
      buildImage(images.host, {
        from: [server.from(proxy.host)],
        ...(server.env === undefined ? {} : { env: server.env }),
      });

    before(async () => {
      images = await startBaseImageRegistry();
      server = await start();
      proxy = await startFaultProxy(server.target);
      without = await buildImage(images.host, {
        to: [server.to],
        ...(server.env === undefined ? {} : { env: server.env }),
      });
      assert.equal(without.error, undefined);
      layers = without.statuses.flatMap((id) => /^writing layer (sha256:.*)$/.exec(id)?.[1] ?? []);
    });
    after(async () => {
      await proxy.stop();
      await server.stop();
      await images.stop();
    });

    test('without a fault everything is found', async () => {
      const built = await build();
      assert.equal(built.error, undefined);
      assert.deepEqual(built.warnings, []);
      assert.deepEqual(built.ran, []);
      assert.equal(built.digest, without.digest);
    });

    for (const [where, what, fault, silent = false] of FAULTS) {
      test(`${what}: the image is the same as without a cache`, async () => {
        let seen = 0;
        proxy.fault = (request) => {
          const matches =
            where === 'all' ||
            (where === 'index' ? server.isIndex(request) : server.isLayer(request, layers));
          if (matches) seen++;
          return matches ? fault : undefined;
        };
        try {
          const built = await build();
          assert.ok(seen > 0, 'the fault was met');
          assert.equal(built.error, undefined);
          assert.equal(built.digest, without.digest);
          assert.ok(built.ran.length > 0, 'what the cache did not give was built');
          assert.equal(built.warnings.length > 0, !silent, built.warnings.join('\n'));
          for (const warning of built.warnings) assert.match(warning, /cache /);
        } finally {
          proxy.fault = undefined;
        }
      });
    }
  });
}
