/** Caches that travel from cairn to BuildKit and back: every step is found on each side. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { buildImage } from '../cache/build.ts';
import { startBaseImageRegistry } from '../servers/base_images.ts';
import type { RegistryServer } from '../servers/docker_registry.ts';
import { noBuildKit, startBuildKit } from './buildkit.ts';

const DOCKERFILE = `FROM busybox AS build
WORKDIR /src
COPY a b /src/
RUN cat a b > all
FROM busybox AS tools
RUN echo tool > /tool
FROM busybox
ARG SOURCE_DATE_EPOCH
COPY --from=build /src/all /all
COPY --link --from=tools /tool /bin/tool
RUN cat /all /bin/tool > /out
`;
const FILES = { a: 'first\n', b: 'second\n' };
const OPTS = { 'build-arg:SOURCE_DATE_EPOCH': '1700000000' };

describe('caches between cairn and BuildKit', { skip: noBuildKit() }, () => {
  let registry: RegistryServer;
  let directory: string;

  before(async () => {
    registry = await startBaseImageRegistry();
    directory = mkdtempSync(join(tmpdir(), 'cairn-interop-'));
  });
  after(async () => {
    await registry.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const cairn = (options: Parameters<typeof buildImage>[1]) =>
    buildImage(registry.host, { dockerfile: DOCKERFILE, files: FILES, ...options });
  const buildkit = async (options: { from?: string[]; to?: string[]; output?: string }) => {
    const daemon = await startBuildKit(registry.host, []);
    try {
      return await daemon.build({ dockerfile: DOCKERFILE, files: FILES, opts: OPTS, ...options });
    } finally {
      await daemon.stop();
    }
  };

  /** cairn → BuildKit → cairn, each with nothing but the other's cache. */
  async function roundTrip(place: (turn: number) => { to: string; from: string }): Promise<void> {
    const [first, second] = [place(1), place(2)];
    const made = await cairn({ to: [first.to] });
    assert.equal(made.error, undefined);
    assert.deepEqual(made.warnings, []);
    const there = await buildkit({ from: [first.from], to: [second.to] });
    assert.deepEqual(there.ran, []);
    assert.equal(there.hit.length, made.ran.length);
    const back = await cairn({ from: [second.from] });
    assert.deepEqual(back.ran, []);
    assert.deepEqual(back.warnings, []);
    assert.equal(back.digest, made.digest);
  }

  const formats = [
    '',
    ',image-manifest=false',
    ',oci-mediatypes=false,image-manifest=false',
    ',compression=zstd,force-compression=true',
    ',compression=estargz,force-compression=true',
    ',compression=uncompressed,force-compression=true',
  ];
  for (const format of formats) {
    test(`type=registry,mode=max${format}`, async () => {
      const name = format.replaceAll(/[^a-z]+/g, '-').replaceAll(/^-|-$/g, '');
      await roundTrip((turn) => {
        const ref = `${registry.host}/caches:${name === '' ? 'plain' : name}-${turn}`;
        return { to: `type=registry,ref=${ref},mode=max${format}`, from: `type=registry,ref=${ref}` };
      });
    });
  }

  test('type=local,mode=max', async () => {
    await roundTrip((turn) => {
      const path = join(directory, `local-${turn}`);
      return { to: `type=local,dest=${path},mode=max`, from: `type=local,src=${path}` };
    });
  });

  test('mode=min finds the steps of the last stage', async () => {
    const ref = `${registry.host}/caches:min`;
    const made = await cairn({ to: [`type=registry,ref=${ref}`], flags: { output: ['type=cacheonly'] } });
    assert.equal(made.error, undefined);
    const there = await buildkit({ from: [`type=registry,ref=${ref}`] });
    assert.deepEqual(there.ran, []);
  });

  test('type=inline', async () => {
    const image = (turn: number): string => `${registry.host}/inline:${turn}`;
    const made = await cairn({
      to: ['type=inline'],
      flags: { output: [], push: true, tag: [image(1)] },
    });
    assert.equal(made.error, undefined);
    const there = await buildkit({
      from: [`type=registry,ref=${image(1)}`],
      to: ['type=inline'],
      output: `type=image,name=${image(2)},push=true`,
    });
    assert.deepEqual(there.ran, []);
    const back = await cairn({ from: [`type=registry,ref=${image(2)}`] });
    assert.deepEqual(back.ran, []);
  });
});
