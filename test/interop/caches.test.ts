/** Caches that travel from cairn to BuildKit and back: every step is found on each side. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { buildImage, type BuildOptions } from '../cache/build.ts';
import { Pair } from './pair.ts';
import { BUILDKITS } from './programs.ts';

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

for (const { name, skip, network, writesEstargz, start } of BUILDKITS) {
  describe(`caches between cairn and the BuildKit of ${name}`, { skip }, () => {
    const pair = new Pair(start, { Dockerfile: DOCKERFILE, ...FILES });
    const cairn = (options: BuildOptions) =>
      buildImage(pair.host, {
        dockerfile: DOCKERFILE,
        files: FILES,
        ...options,
        flags: { network, ...options.flags },
      });
    /** cairn → BuildKit → cairn, each with nothing but the other's cache. */
    async function roundTrip(place: (turn: number) => { to: string; from: string }): Promise<void> {
      const [first, second] = [place(1), place(2)];
      const made = await cairn({ to: [first.to] });
      assert.equal(made.error, undefined);
      assert.deepEqual(made.warnings, []);
      const to = writesEstargz ? second.to : second.to.replace(/,compression=estargz.*/, '');
      const there = await pair.buildkit({ from: [first.from], to: [to] });
      assert.deepEqual(there.run, []);
      assert.ok(there.hit.length > 0);
      const back = await cairn({ from: [second.from] });
      assert.deepEqual(back.ran, []);
      assert.deepEqual(back.warnings, []);
      // Layers that were recompressed are found, too, and are then those of the image.
      if (!first.to.includes('compression')) assert.equal(back.digest, made.digest);
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
        const tag = format.replaceAll(/[^a-z]+/g, '-').replaceAll(/^-|-$/g, '');
        await roundTrip((turn) => {
          const ref = `${pair.host}/caches:${tag === '' ? 'plain' : tag}-${turn}`;
          return { to: `type=registry,ref=${ref},mode=max${format}`, from: `type=registry,ref=${ref}` };
        });
      });
    }

    test('type=local,mode=max', async () => {
      await roundTrip((turn) => {
        const path = join(pair.directory, `local-${turn}`);
        return { to: `type=local,dest=${path},mode=max`, from: `type=local,src=${path}` };
      });
    });

    test('mode=min finds the steps of the last stage', async () => {
      const ref = `${pair.host}/caches:min`;
      const made = await cairn({ to: [`type=registry,ref=${ref}`], flags: { output: ['type=cacheonly'] } });
      assert.equal(made.error, undefined);
      const there = await pair.buildkit({ from: [`type=registry,ref=${ref}`] });
      assert.deepEqual(there.run, []);
    });

    test('type=inline', async () => {
      const image = (turn: number): string => `${pair.host}/inline:${turn}`;
      const made = await cairn({
        to: ['type=inline'],
        flags: { output: [], push: true, tag: [image(1)] },
      });
      assert.equal(made.error, undefined);
      const there = await pair.buildkit({
        from: [`type=registry,ref=${image(1)}`],
        to: ['type=inline'],
        push: image(2),
      });
      assert.deepEqual(there.run, []);
      const back = await cairn({ from: [`type=registry,ref=${image(2)}`] });
      assert.deepEqual(back.ran, []);
    });
  });
}
