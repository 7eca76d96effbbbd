/** Caches of builds for two platforms, made by one program and found whole by the other. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { buildImage, type BuildOptions } from '../cache/build.ts';
import type { BuildKitOptions, Steps } from './buildkit.ts';
import { Pair } from './pair.ts';
import { BUILDKITS } from './programs.ts';

/** Nothing of the other platform is run, so no emulation is needed. */
const DOCKERFILE = `FROM --platform=$BUILDPLATFORM busybox AS build
COPY text /first
ARG TARGETARCH
RUN echo as-$TARGETARCH > /arch
FROM multi
COPY --from=build /arch /arch
COPY --link text /linked
WORKDIR /work
COPY text /last
`;
const FILES = { text: 'content\n' };
const PLATFORMS = ['linux/amd64', 'linux/arm64'];
/** Beginnings of the steps, sorted. */
const STEPS = ['COPY --from', 'COPY --link', 'COPY text /', 'RUN echo as', 'WORKDIR /wo'];

for (const { name, skip, network, start } of BUILDKITS) {
  describe(`caches of two platforms between cairn and the BuildKit of ${name}`, { skip }, () => {
    const pair = new Pair(start, { Dockerfile: DOCKERFILE, ...FILES });
    const cairn = async (options: BuildOptions) => {
      const built = await buildImage(pair.host, {
        dockerfile: DOCKERFILE,
        files: FILES,
        ...options,
        flags: { network, platform: PLATFORMS, ...options.flags },
      });
      assert.equal(built.error, undefined);
      assert.deepEqual(built.warnings, []);
      return built;
    };
    const buildkit = (options: BuildKitOptions): Promise<Steps> =>
      pair.buildkit({ platforms: PLATFORMS, ...options });
    const at = (tag: string): { to: string; from: string; image: string } => {
      const ref = `${pair.host}/platforms:${tag}`;
      return { to: `type=registry,ref=${ref},mode=max`, from: `type=registry,ref=${ref}`, image: ref };
    };

    test('what cairn built is found by BuildKit, and on the way back', async () => {
      const made = await cairn({ to: [at('ours').to] });
      assert.deepEqual(made.hit, []);
      assert.deepEqual(await buildkit({ from: [at('ours').from], to: [at('back').to] }), {
        hit: STEPS,
        run: [],
      });
      const back = await cairn({ from: [at('back').from] });
      assert.deepEqual(back.ran, []);
      assert.equal(back.hit.length, made.ran.length);
      assert.equal(back.digest, made.digest);
    });

    test('what BuildKit built is found by cairn, and on the way back', async () => {
      assert.deepEqual(await buildkit({ to: [at('theirs').to] }), { hit: [], run: STEPS });
      const found = await cairn({ from: [at('theirs').from], to: [at('forth').to] });
      assert.deepEqual(found.ran, []);
      assert.deepEqual((await buildkit({ from: [at('forth').from] })).run, []);
    });

    test('one platform of the two is found', async () => {
      const options = { platforms: PLATFORMS.slice(1) };
      assert.deepEqual((await buildkit({ from: [at('ours').from], ...options })).run, []);
      const found = await cairn({ from: [at('theirs').from], flags: { platform: options.platforms } });
      assert.deepEqual(found.ran, []);
    });

    test('type=inline', async () => {
      const [ours, theirs] = [at('inline-ours'), at('inline-theirs')];
      await cairn({ to: ['type=inline'], flags: { output: [], push: true, tag: [ours.image] } });
      // The result of RUN is not in it and not needed; with two platforms BuildKit sometimes runs it, with caches
      // of its own, too.
      const there = await buildkit({ from: [ours.from] });
      assert.deepEqual(
        there.run.filter((step) => !step.startsWith('RUN ')),
        [],
      );
      assert.ok(there.hit.length >= STEPS.length - 1);
      await buildkit({ to: ['type=inline'], push: theirs.image });
      assert.deepEqual((await cairn({ from: [theirs.from] })).ran, []);
    });
  });
}
