/** Images of several shapes, found whole in a cache and pushed: no layer is read, none is uploaded twice. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startBaseImageRegistry } from '../servers/base_images.ts';
import { startDockerRegistry, type RegistryServer } from '../servers/docker_registry.ts';
import { startFaultProxy, type FaultProxy } from '../servers/fault_proxy.ts';
import { buildImage, type BuildOptions } from './build.ts';

const SHAPES: { name: string; dockerfile: string; platforms?: string[] }[] = [
  {
    name: 'of several stages',
    dockerfile: `FROM alpine:3.20 AS tools
RUN echo tool > /tool
FROM busybox AS build
COPY a /src/
RUN cat /src/a > /all
FROM busybox
COPY --from=tools /tool /bin/tool
COPY --from=build /all /all
RUN cat /all > /result
`,
  },
  {
    name: 'of merged layers',
    dockerfile: `FROM busybox AS build
RUN echo tool > /tool
FROM busybox
COPY --link a /a
COPY --link --from=build /tool /bin/tool
RUN cat /a > /b
COPY --link b /c
`,
  },
  {
    name: 'of two platforms',
    dockerfile: `FROM --platform=$BUILDPLATFORM busybox AS build
ARG TARGETARCH
RUN echo $TARGETARCH > /arch
FROM multi
COPY --from=build /arch /arch
COPY --link a /a
COPY b /b
`,
    platforms: ['linux/amd64', 'linux/arm64'],
  },
];

interface Manifest {
  manifests?: { digest: string }[];
  layers?: { digest: string }[];
}

describe('an image that a cache has whole', () => {
  let images: RegistryServer;
  let server: RegistryServer;
  /** Count what goes to these. */
  let imagesProxy: FaultProxy;
  let proxy: FaultProxy;
  let directory: string;

  before(async () => {
    images = await startBaseImageRegistry();
    imagesProxy = await startFaultProxy(images.host);
    server = await startDockerRegistry();
    proxy = await startFaultProxy(server.host);
    directory = mkdtempSync(join(tmpdir(), 'cairn-pushed-'));
  });
  after(async () => {
    await proxy.stop();
    await server.stop();
    await imagesProxy.stop();
    await images.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Of all platforms; the image is looked at past the proxy. */
  async function layersOf(repository: string, reference: string): Promise<string[]> {
    const response = await fetch(`http://${server.host}/v2/${repository}/manifests/${reference}`, {
      headers: {
        accept: 'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json',
      },
    });
    const { manifests = [], layers = [] } = (await response.json()) as Manifest;
    const below = await Promise.all(manifests.map(({ digest }) => layersOf(repository, digest)));
    return [...layers.map(({ digest }) => digest), ...below.flat()];
  }

  /** What was asked for since the last call. */
  const requests = (): string[] =>
    [proxy, imagesProxy].flatMap((each) =>
      each.requests.splice(0).map(({ method, url }) => `${method} ${decodeURIComponent(url)}`),
    );

  function assertNoLayerMoved(seen: readonly string[], layers: readonly string[]): void {
    assert.ok(layers.length > 0);
    const ofLayers = seen.filter((each) => layers.some((digest) => each.includes(digest)));
    // Mounts and questions whether a layer is there move nothing.
    assert.deepEqual(
      ofLayers.filter((each) => !each.startsWith('HEAD ') && !/^POST .*[?&]mount=/.test(each)),
      [],
    );
    assert.deepEqual(
      seen.filter((each) => each.startsWith('PATCH ')),
      [],
    );
  }

  for (const [index, { name, dockerfile, platforms = [] }] of SHAPES.entries()) {
    const build = async (options: BuildOptions & { push?: string }) => {
      const { push, ...others } = options;
      const built = await buildImage(imagesProxy.host, {
        dockerfile,
        files: { a: 'first\n', b: 'second\n' },
        ...others,
        flags: {
          platform: platforms,
          ...(push === undefined
            ? { output: ['type=cacheonly'] }
            : { output: [], push: true as const, tag: [`${proxy.host}/${push}`] }),
        },
      });
      assert.equal(built.error, undefined);
      assert.deepEqual(built.warnings, []);
      return built;
    };

    test(`${name} is pushed without reading or uploading a layer`, async () => {
      const cache = `type=registry,ref=${proxy.host}/app${index}:cache`;
      const made = await build({ to: [`${cache},mode=max`], push: `app${index}:latest` });
      const layers = await layersOf(`app${index}`, 'latest');
      // What is not in the cache does move, and is seen to.
      assert.throws(() => assertNoLayerMoved(requests(), layers));

      const again = await build({ from: [cache], push: `app${index}:again` });
      assert.deepEqual(again.ran, []);
      assert.equal(again.digest, made.digest);
      assertNoLayerMoved(requests(), layers);

      const elsewhere = await build({ from: [cache], push: `elsewhere${index}:latest` });
      assert.deepEqual(elsewhere.ran, []);
      assert.equal(elsewhere.digest, made.digest);
      assertNoLayerMoved(requests(), layers);

      const exported = await build({ from: [cache], to: [`${cache},mode=max`], push: `app${index}:third` });
      assert.deepEqual(exported.ran, []);
      assertNoLayerMoved(requests(), layers);
    });

    test(`${name} is pushed from a local cache without uploading what the registry has`, async () => {
      const path = join(directory, String(index));
      await build({ to: [`type=local,dest=${path},mode=max`], push: `local${index}:latest` });
      const layers = await layersOf(`local${index}`, 'latest');
      requests();
      const again = await build({ from: [`type=local,src=${path}`], push: `local${index}:again` });
      assert.deepEqual(again.ran, []);
      assertNoLayerMoved(requests(), layers);
    });

    test(`${name} is pushed with its inline cache without reading or uploading a layer`, async () => {
      const image = `inline${index}`;
      await build({ to: ['type=inline'], push: `${image}:latest` });
      const layers = await layersOf(image, 'latest');
      requests();
      const from = [`type=registry,ref=${proxy.host}/${image}:latest`];
      const again = await build({ from, to: ['type=inline'], push: `${image}:again` });
      assert.deepEqual(again.ran, []);
      assertNoLayerMoved(requests(), layers);
    });
  }
});
