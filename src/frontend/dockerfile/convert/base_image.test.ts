import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CairnError } from '../../../errors/error.ts';
import { platformOf } from '../../../llb/platform.ts';
import type { Gateway } from '../contract.ts';
import { buildDockerfile } from '../frontend.ts';

/** A gateway with one Dockerfile; images are configs by reference, and others are not found. */
function gatewayOf(dockerfile: string, images: Record<string, object> = {}): Gateway {
  return {
    opts: {},
    workerPlatforms: [platformOf({ OS: 'linux', Architecture: 'amd64' })],
    localUnique: 'u',
    solve: async () => ({
      async readFile(path) {
        if (path === 'Dockerfile') return Buffer.from(dockerfile);
        throw new CairnError(`open ${path}: no such file or directory`, { code: 'NOT_FOUND' });
      },
      statFile: async () => undefined,
      readDir: async () => [],
    }),
    async resolveImageConfig(ref) {
      const image = images[ref];
      if (image === undefined) throw new CairnError(`${ref}: not found`, { code: 'NOT_FOUND' });
      const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', ...image }));
      return { ref, digest: `sha256:${'a'.repeat(64)}`, config };
    },
    warn: () => {},
  };
}

test('a base name that is no reference is quoted in the error', async () => {
  await assert.rejects(buildDockerfile(gatewayOf('FROM a\\\\b"c"\n')), {
    message: String.raw`failed to parse stage name "a\\bc": invalid reference format`,
  });
});

test('an image that only a trigger needs is known by its full name in the error', async () => {
  const dockerfile = 'FROM tools AS src\nFROM base\n';
  const config = { rootfs: { diff_ids: ['sha256:1'] }, config: { OnBuild: ['COPY --from=src /a /b'] } };
  const gateway = gatewayOf(dockerfile, { 'docker.io/library/base:latest': config });
  await assert.rejects(buildDockerfile(gateway), {
    message: 'docker.io/library/tools:latest: docker.io/library/tools:latest: not found',
  });
  await assert.rejects(buildDockerfile(gatewayOf('FROM alpin\n')), {
    message: 'alpin: docker.io/library/alpin:latest: not found (did you mean alpine?)',
  });
});

test('of several images that are not there always the same is told', async () => {
  const gateway = gatewayOf('FROM tools\nCOPY --from=other a b\nRUN --mount=from=third,target=/x y\n');
  await assert.rejects(buildDockerfile(gateway), {
    message: 'third: docker.io/library/third:latest: not found',
  });
  const found = { rootfs: { diff_ids: ['sha256:1'] } };
  const rest = gatewayOf('FROM there\nCOPY --from=other a b\nCOPY --from=third a b\nCOPY --from=last a b\n', {
    'docker.io/library/there:latest': found,
    'docker.io/library/last:latest': found,
  });
  await assert.rejects(buildDockerfile(rest), { message: /^other: / });
});

test('paths on other drives are refused for Windows images', async () => {
  const windows = { os: 'windows', rootfs: { diff_ids: ['sha256:1'] } };
  const rows = [
    ['WORKDIR d:\\\\x', 'normalizing workdir: normalizing working directory: removing drive letter: '],
    ['COPY a d:\\\\x', 'removing drive letter: '],
    ['COPY <<d:x /y\n1\nd:x', 'removing drive letter: '],
  ];
  for (const [command, prefix] of rows) {
    const dockerfile = `FROM --platform=windows/amd64 win\n${command}\n`;
    await assert.rejects(
      buildDockerfile(gatewayOf(dockerfile, { 'docker.io/library/win:latest': windows })),
      {
        message: `${prefix}The specified path is not on the system drive (C:)`,
      },
    );
  }
});
